"""Shared by the programs from TensorFlow to ONNX: running tf2onnx, and checking its result."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import onnx
import tf2onnx.convert

from ..program import INVALID_MODEL, UNSUPPORTED_OPERATOR, ProblemError, Request, versions

_LARGE = 2**31 - 2**24
"""From this size on, weights are stored beside the model, whose own file is a message of at most 2 GiB."""


def to_onnx(request: Request, model: Sequence[str], weights: Path) -> dict[str, str]:
    """Convert the model in the command line options `model`; `weights` is the file or directory with its weights.

    Raises ProblemError if the model has operators without a counterpart in ONNX.
    """
    large = _size(weights) > _LARGE
    result = request.destination / ("model.zip" if large else "model.onnx")
    opset = ["--opset", _opset(request)] if "opset" in request.options else []
    # The command line is the stable interface of tf2onnx: from_graph_def and similar functions omit tables of strings.
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
    """Unpack the files of a large model, which tf2onnx writes into an archive."""
    with ZipFile(archive) as files:
        files.extractall(archive.parent)
    archive.unlink()
    (archive.parent / "__MODEL_PROTO.onnx").rename(archive.with_name("model.onnx"))


def _refuse_foreign_operators(path: Path) -> None:
    """Reject operators without a counterpart in ONNX, which tf2onnx copies into a model that no runtime can run."""
    graph = onnx.load(path, load_external_data=False)
    opset = next((entry.version for entry in graph.opset_import if entry.domain in {"", "ai.onnx"}), 1)
    foreign = sorted({name for name in _operators(graph.graph) if not onnx.defs.has(name, opset)})
    if foreign:
        raise ProblemError(
            UNSUPPORTED_OPERATOR,
            f"ONNX has no counterpart of {', '.join(foreign)}: leave these out of the model, or serve it as it is",
        )


def _operators(graph: onnx.GraphProto) -> set[str]:
    """Return the operators of ONNX's own domain, including those of subgraphs."""
    operators = {node.op_type for node in graph.node if node.domain in {"", "ai.onnx"}}
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                operators |= _operators(inner)
    return operators


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())
