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
        main: path below `model/` of the file that the parser reads; empty where it reads none.
        problem: why there is no such file; empty otherwise.
        files: paths of all files below `model/`.
        signature: what is known of inputs and outputs.
        empty_directories: paths of the directories without an entry below `model/`.
    """

    name: str
    version: str
    format: str
    main: str
    files: tuple[str, ...]
    signature: Signature | None
    empty_directories: tuple[str, ...] = ()
    problem: str = ""


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
            return _openscoring(model)


def _triton(model: ServedModel) -> Plan:
    platform = triton.PLATFORMS.get(model.format)
    if platform is None:
        raise _unserved(Target.TRITON, model, tuple(triton.PLATFORMS))
    if platform.whole_directory:
        moves = {"model": f"1/{platform.file}"}
    else:
        main = _main(model)
        beside = (*model.files, *model.empty_directories)
        others = {f"model/{name}": f"1/{name}" for name in beside if name != main}
        moves = {f"model/{main}": f"1/{platform.file}", **others}
    config = triton.config(model.name, platform, model.signature)
    return Plan({**moves, "ormbfile.yaml": "ormbfile.yaml"}, {"config.pbtxt": config})


def _mlserver(model: ServedModel) -> Plan:
    implementation = MLSERVER.get(model.format)
    if implementation is None:
        raise _unserved(Target.MLSERVER, model, tuple(MLSERVER))
    main = PurePosixPath("model", _main(model))
    uri = main.parent if model.format == "MLflow" else main
    settings = {
        "name": model.name,
        "implementation": implementation,
        "parameters": {"uri": f"./{uri}", "version": model.version},
    }
    return Plan(
        {"model": "model", "ormbfile.yaml": "ormbfile.yaml"},
        {"model-settings.json": json.dumps(settings, indent=2) + "\n"},
    )


def _openscoring(model: ServedModel) -> Plan:
    if model.format != "PMML":
        raise _unserved(Target.OPENSCORING, model, ("PMML",))
    return Plan({f"model/{_main(model)}": "1/model.pmml", "ormbfile.yaml": "ormbfile.yaml"})


def _main(model: ServedModel) -> str:
    """The model's file, below `model/`. Raises UnsupportedArtifactError where it is not one."""
    if not model.main:
        raise UnsupportedArtifactError(f"the {model.format} model cannot be laid out: {model.problem}")
    return model.main


def _unserved(target: Target, model: ServedModel, formats: tuple[str, ...]) -> UnsupportedArtifactError:
    return UnsupportedArtifactError(
        f"{target} does not serve {model.format} models: it serves {', '.join(formats)}; --target plain lays out any"
    )
