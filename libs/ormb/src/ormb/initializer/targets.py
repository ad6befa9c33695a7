"""What a model server wants to find in its directory; pure."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from kleverproto.signatures import Signature
from ormb.errors import UnsupportedArtifactError

from . import triton


class Target(StrEnum):
    """A kind of model server."""

    TRITON = "triton"
    MLSERVER = "mlserver"
    OPENSCORING = "openscoring"
    PLAIN = "plain"


@dataclass(frozen=True)
class Plan:
    """How the destination will look.

    Attributes:
        moves: path below the exported model to path below the destination; `model` is the model's directory.
        writes: path below the destination to the text of a file.
    """

    moves: dict[str, str]
    writes: dict[str, str] = field(default_factory=dict)


MLSERVER = {
    "SKLearn": "mlserver_sklearn.SKLearnModel",
    "XGBoost": "mlserver_xgboost.XGBoostModel",
    "LightGBM": "mlserver_lightgbm.LightGBMModel",
    "CatBoost": "mlserver_catboost.CatboostModel",
    "MLflow": "mlserver_mlflow.MLflowRuntime",
}
"""Format to the runtime of MLServer 1.7."""


@dataclass(frozen=True)
class ServedModel:
    """What is to be laid out.

    Attributes:
        name: what the server will call it.
        version: tag of the artifact.
        format: the model's format.
        files: paths of all files below `model/`.
        signature: what is known of inputs and outputs.
        empty_directories: paths of the directories without an entry below `model/`.
    """

    name: str
    version: str
    format: str
    files: tuple[str, ...]
    signature: Signature | None
    empty_directories: tuple[str, ...] = ()


def usual_target(format_name: str | None) -> Target:
    """The server that a format is mostly served with."""
    if format_name in MLSERVER:
        return Target.MLSERVER
    if format_name == "PMML":
        return Target.OPENSCORING
    return Target.TRITON if format_name in triton.PLATFORMS else Target.PLAIN


def plan(target: Target, model: ServedModel) -> Plan:
    """Lay a model out.

    Raises:
        UnsupportedArtifactError: the server does not serve the format.
    """
    match target:
        case Target.PLAIN:
            return Plan({"model": "model", "ormbfile.yaml": "ormbfile.yaml"})
        case Target.TRITON:
            return _triton(model)
        case Target.MLSERVER:
            return _mlserver(model)
        case Target.OPENSCORING:
            return Plan({f"model/{_single(model, '.pmml')}": "1/model.pmml", "ormbfile.yaml": "ormbfile.yaml"})


def _triton(model: ServedModel) -> Plan:
    platform = triton.PLATFORMS.get(model.format)
    if platform is None:
        raise _unserved(Target.TRITON, model, tuple(triton.PLATFORMS))
    if platform.whole_directory:
        moves = {"model": f"1/{platform.file}"}
    else:
        main = _single(model, *platform.suffixes)
        beside = (*model.files, *model.empty_directories)
        others = {f"model/{name}": f"1/{name}" for name in beside if name != main}
        moves = {f"model/{main}": f"1/{platform.file}", **others}
    config = triton.config(model.name, platform, model.signature)
    return Plan({**moves, "ormbfile.yaml": "ormbfile.yaml"}, {"config.pbtxt": config})


def _mlserver(model: ServedModel) -> Plan:
    implementation = MLSERVER.get(model.format)
    if implementation is None:
        raise _unserved(Target.MLSERVER, model, tuple(MLSERVER))
    uri = PurePosixPath("model", _mlflow(model) if model.format == "MLflow" else _single(model))
    settings = {
        "name": model.name,
        "implementation": implementation,
        "parameters": {"uri": f"./{uri}", "version": model.version},
    }
    return Plan(
        {"model": "model", "ormbfile.yaml": "ormbfile.yaml"},
        {"model-settings.json": json.dumps(settings, indent=2) + "\n"},
    )


def _mlflow(model: ServedModel) -> str:
    """The directory of its MLmodel file, which is not the top for the folder of a logged model of MLflow 3."""
    places = [PurePosixPath(name).parent for name in model.files if PurePosixPath(name).name == "MLmodel"]
    return min(places, key=lambda path: len(path.parts), default=PurePosixPath()).as_posix()


def _single(model: ServedModel, *suffixes: str) -> str:
    """The one file at the top that is the model."""
    top = [name for name in model.files if "/" not in name]
    found = [name for name in top if not suffixes or PurePosixPath(name).suffix in suffixes]
    if len(found) != 1:
        wanted = " or ".join(suffixes) or "file"
        raise UnsupportedArtifactError(
            f"expected one {wanted} in the {model.format} model, found {len(found)}: {', '.join(found[:5]) or 'none'}"
        )
    return found[0]


def _unserved(target: Target, model: ServedModel, formats: tuple[str, ...]) -> UnsupportedArtifactError:
    return UnsupportedArtifactError(
        f"{target} does not serve {model.format} models: it serves {', '.join(formats)}; --target plain lays out any"
    )
