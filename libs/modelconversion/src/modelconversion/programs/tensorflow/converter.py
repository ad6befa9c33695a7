"""What the programs from TensorFlow to ONNX share: running tf2onnx, and judging what it made."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import onnx
import tf2onnx.convert

from ..program import INVALID_MODEL, UNSUPPORTED_OPERATOR, ProblemError, Request, versions

_LARGE = 2**31 - 2**24
"""From here on weights are kept beside the model, whose own file is a message of at most 2 GiB."""


def to_onnx(request: Request, model: Sequence[str], weights: Path) -> dict[str, str]:
    """Convert what the command line options `model` name; `weights` is the file or directory they are in.

    Raises ProblemError when the model has operators that ONNX has no counterpart of.
    """
    large = _size(weights) > _LARGE
    result = request.destination / ("model.zip" if large else "model.onnx")
    opset = ["--opset", _opset(request)] if "opset" in request.options else []
    # The command line is the stable interface of tf2onnx: from_graph_def and friends leave tables of strings out.
    sys.argv = ["tf2onnx", *model, *opset, *(["--large_model"] if large else []), "--output", str(result)]
    logging.captureWarnings(capture=True)
    tf2onnx.convert.main()
    if large:
        _unpack(result)
    _refuse_foreign_operators(request.destination / "model.onnx")
    return versions("tensorflow-cpu", "tf2onnx", "onnx")


def _opset(request: Request) -> str:
    opset = str(request.options["opset"])
    if not opset.isdigit():
        raise ProblemError(INVALID_MODEL, f"the option opset is a number such as 17, not {opset!r}")
    return opset


def _unpack(archive: Path) -> None:
    """The files of a large model, which tf2onnx writes into an archive."""
    with ZipFile(archive) as files:
        files.extractall(archive.parent)
    archive.unlink()
    (archive.parent / "__MODEL_PROTO.onnx").rename(archive.with_name("model.onnx"))


def _refuse_foreign_operators(path: Path) -> None:
    """What tf2onnx knows no counterpart of it copies as it is, into a model that nothing can run."""
    graph = onnx.load(path, load_external_data=False)
    opset = next((entry.version for entry in graph.opset_import if entry.domain in {"", "ai.onnx"}), 1)
    foreign = sorted({name for name in _operators(graph.graph) if not onnx.defs.has(name, opset)})
    if foreign:
        raise ProblemError(
            UNSUPPORTED_OPERATOR,
            f"ONNX has no counterpart of {', '.join(foreign)}: leave these out of the model, or serve it as it is",
        )


def _operators(graph: onnx.GraphProto) -> set[str]:
    """The operators of ONNX's own domain, those of subgraphs included."""
    operators = {node.op_type for node in graph.node if node.domain in {"", "ai.onnx"}}
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                operators |= _operators(inner)
    return operators


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())
