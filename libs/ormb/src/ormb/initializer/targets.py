"""Plans the files of a model server's directory; pure."""

import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from kleverproto.signatures import Signature
from modelfiles.runtimes import DirectoryLayout, Support, supports
from ormb.errors import UnsupportedArtifactError
from ormb.modelfile import FILE_NAME

from . import triton

WHOLE_DIRECTORIES = frozenset({"SavedModel"})
"""Formats whose model is a directory to Triton instead of a file."""


@dataclass(frozen=True)
class Plan:
    """The planned files of the destination.

    Attributes:
        moves: path below the exported model to path below the destination; `model` is the model's directory.
        writes: path below the destination to the text of a file.
    """

    moves: dict[str, str]
    writes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ServedModel:
    """The model to serve.

    Attributes:
        name: its name in the server.
        version: tag of the artifact.
        format: the model's format.
        main: path below `model/` of the file that the parser reads; empty if it reads none.
        problem: the reason if there is no such file; empty otherwise.
        files: paths of all files below `model/`.
        signature: the known inputs and outputs.
        empty_directories: paths of the empty directories below `model/`.
    """

    name: str
    version: str
    format: str = ""
    main: str = ""
    files: tuple[str, ...] = ()
    signature: Signature | None = None
    empty_directories: tuple[str, ...] = ()
    problem: str = ""


def plan(layout: DirectoryLayout, model: ServedModel) -> Plan:
    """Plan the directory of a model.

    Raises:
        UnsupportedArtifactError: no server with this layout supports the format.
    """
    if layout is DirectoryLayout.PLAIN:
        return Plan({"model": "model", FILE_NAME: FILE_NAME})
    formats = supports(layout)
    support = formats.get(model.format)
    if support is None:
        raise UnsupportedArtifactError(
            f"{layout} does not serve {model.format} models: it serves {', '.join(formats)}; --target plain accepts any"
        )
    match layout:
        case DirectoryLayout.TRITON:
            return Plan(_moves(model, support), {"config.pbtxt": triton.config(model.name, support, model.signature)})
        case DirectoryLayout.MLSERVER:
            return _mlserver(model, support.implementation)
        case DirectoryLayout.OPENSCORING:
            return Plan({f"model/{_main(model)}": support.place, FILE_NAME: FILE_NAME})


def _moves(model: ServedModel, support: Support) -> dict[str, str]:
    """Map the model's file to the path that the server expects, and all other files to paths beside it."""
    if model.format in WHOLE_DIRECTORIES:
        return {"model": support.place, FILE_NAME: FILE_NAME}
    directory, main = PurePosixPath(support.place).parent, _main(model)
    beside = (*model.files, *model.empty_directories)
    others = {f"model/{name}": f"{directory}/{name}" for name in beside if name != main}
    return {f"model/{main}": support.place, **others, FILE_NAME: FILE_NAME}


def _mlserver(model: ServedModel, implementation: str) -> Plan:
    main = PurePosixPath("model", _main(model))
    settings = {
        "name": model.name,
        "implementation": implementation,
        "parameters": {"uri": f"./{main.parent if model.format == 'MLflow' else main}", "version": model.version},
    }
    text = json.dumps(settings, indent=2) + "\n"
    return Plan({"model": "model", FILE_NAME: FILE_NAME}, {"model-settings.json": text})


def _main(model: ServedModel) -> str:
    """Return the model's file, relative to `model/`. Raises UnsupportedArtifactError if it is not a single file."""
    if not model.main:
        raise UnsupportedArtifactError(f"the {model.format} model cannot be laid out: {model.problem}")
    return model.main
