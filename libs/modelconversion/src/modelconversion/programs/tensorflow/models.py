"""Reads TensorFlow's models: the signature of a SavedModel, and the inputs and outputs of a graph."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2

from ..program import INVALID_MODEL, ProblemError, Request

SERVE, DEFAULT = "serve", "serving_default"
_NOT_FOR_SERVING = frozenset({"__saved_model_init_op", "__saved_model_train_op"})
_NO_RESULT = frozenset({"Const", "NoOp", "Assert", "Placeholder", "PlaceholderWithDefault"})


def chosen_signature(request: Request) -> tuple[str, str]:
    """Return tag and signature to convert: the options `tag` and `signature`, else those that servers use.

    Raises ProblemError if the model has no such tag or signature.
    """
    message = saved_model_pb2.SavedModel()
    _parse(message, request.file)
    tag = request.options.get("tag", SERVE)
    graph = next((graph for graph in message.meta_graphs if tag in graph.meta_info_def.tags), None)
    if graph is None:
        tags = sorted({name for known in message.meta_graphs for name in known.meta_info_def.tags})
        raise ProblemError(INVALID_MODEL, f"the SavedModel has no graph tagged {tag!r}; its tags: {', '.join(tags)}")
    keys = sorted(set(graph.signature_def) - _NOT_FOR_SERVING)
    key = request.options.get("signature", DEFAULT if DEFAULT in keys else next(iter(keys), None))
    if key not in keys:
        known = ", ".join(keys) or "none"
        raise ProblemError(INVALID_MODEL, f"the SavedModel needs a signature to convert; its signatures: {known}")
    return str(tag), str(key)


def read_graph(path: Path) -> Any:
    """Return the GraphDef in a file. Raises ProblemError if it is invalid."""
    graph = graph_pb2.GraphDef()
    _parse(graph, path)
    return graph


def ends_of(graph: Any, request: Request) -> tuple[list[str], list[str]]:
    """Return the input and output tensors: those of the signature if it names nodes, else placeholders and last nodes.

    Raises ProblemError if the graph has none.
    """
    nodes = {node.name for node in graph.node}
    used = {reference.removeprefix("^").split(":")[0] for node in graph.node for reference in node.input}
    inputs = [node.name for node in graph.node if node.op == "Placeholder"]
    outputs = [node.name for node in graph.node if node.name not in used and node.op not in _NO_RESULT]
    inputs = _known([entry.name for entry in request.inputs], nodes) or inputs
    outputs = _known([entry.name for entry in request.outputs], nodes) or outputs
    if not inputs or not outputs:
        raise ProblemError(INVALID_MODEL, "the graph has no placeholder or no result: declare its inputs and outputs")
    return [_tensor(name) for name in inputs], [_tensor(name) for name in outputs]


def _known(names: list[str], nodes: set[str]) -> list[str]:
    return names if all(name.split(":")[0] in nodes for name in names) else []


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"


def _parse(message: Any, path: Path) -> None:
    try:
        message.ParseFromString(path.read_bytes())
    except (DecodeError, OSError) as error:
        raise ProblemError(INVALID_MODEL, f"{path.name} cannot be read as a TensorFlow model: {error}") from error
