"""ONNX: graphs, functions and the shapes of weights; the weights, in the file or beside it, are left unread."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, head, reading, single_file
from modelformats.weights import counted

from .onnx_messages import DTYPES, SCHEMA

PATTERN = "*.onnx"
IR_VERSION_TAG = 0x08
SNIFFED = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)
"""Tags that may follow `ir_version` in a ModelProto: producer, domain, version, doc, graph, opset."""


class Onnx:
    """See `modelformats.format.Format`."""

    name = "ONNX"

    def detect(self, directory: Path) -> bool:
        """A *.onnx file, or one file that begins as a ModelProto does and parses as one."""
        if files_matching(directory, PATTERN):
            return True
        candidates = [path for path in files_matching(directory, "*") if _looks_like(head(path, 4))]
        return len(candidates) == 1 and _parses(candidates[0])

    def validate(self, directory: Path) -> None:
        """One *.onnx file."""
        single_file(directory, PATTERN)

    def extract(self, directory: Path) -> Signature:
        """Inputs and outputs of the main graph, operators of all graphs and functions."""
        path = single_file(directory, PATTERN)
        with reading(path, "ONNX model"):
            model = _load(path)
            return _signature(model)


def _looks_like(start: bytes) -> bool:
    return len(start) >= 3 and start[0] == IR_VERSION_TAG and 1 <= start[1] <= 32 and start[2] in SNIFFED  # noqa: PLR2004


def _parses(path: Path) -> bool:
    try:
        with reading(path, "ONNX model"):
            _load(path)
    except InvalidModelError:
        return False
    return True


def _load(path: Path) -> Any:
    model = SCHEMA.read(path)
    if not model.graph.output or not model.opset_import:
        # An empty file parses as every protobuf message.
        raise InvalidModelError(f"{path.name} has no graph: it is empty or not an ONNX model")
    return model


def _signature(model: Any) -> Signature:
    initializers = {tensor.name for tensor in model.graph.initializer}
    return Signature(
        inputs=tuple(_tensor(value) for value in model.graph.input if value.name not in initializers),
        outputs=tuple(_tensor(value) for value in model.graph.output),
        operators=dict(sorted(Counter(_operators(model)).items())),
        parameters=counted((DTYPES.get(tensor.data_type), tensor.dims) for tensor in _initializers(model)),
        framework=model.producer_name or "ONNX",
        framework_version=model.producer_version or None,
        details={
            "ir_version": model.ir_version,
            "opset": {opset.domain or "ai.onnx": opset.version for opset in model.opset_import},
            "graph": model.graph.name,
        },
        unknown=_unknown(model),
    )


def _tensor(value: Any) -> Tensor:
    found = _tensor_type(value)
    if found is None:
        return Tensor(name=value.name)
    shape = tuple(_dimension(dim) for dim in found.shape.dim) if found.HasField("shape") else None
    return Tensor(name=value.name, dtype=DTYPES.get(found.elem_type), shape=shape)


def _tensor_type(value: Any) -> Any:
    """The type of a tensor; None of a sequence, a map or an optional value."""
    for kind in ("tensor_type", "sparse_tensor_type"):
        if value.type.HasField(kind):
            return getattr(value.type, kind)
    return None


def _dimension(dim: Any) -> int | str:
    if dim.HasField("dim_value"):
        return int(dim.dim_value) if dim.dim_value >= 0 else -1
    return str(dim.dim_param) or -1


def _unknown(model: Any) -> dict[str, str]:
    odd = [value.name for value in (*model.graph.input, *model.graph.output) if _tensor_type(value) is None]
    reason = "not a tensor but a sequence, map or optional, which has no dtype and shape of its own"
    return dict.fromkeys(odd, reason)


def _operators(model: Any) -> Iterator[str]:
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in nodes:
            yield node.op_type
            yield from (inner.op_type for graph in _graphs_in(node) for inner in graph.node)


def _graphs_in(node: Any) -> Iterator[Any]:
    """The graphs of a node's attributes, as deep as protobuf lets messages be nested, which is 100."""
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield graph
            for inner in graph.node:
                yield from _graphs_in(inner)


def _initializers(model: Any) -> Iterator[Any]:
    nodes = (*model.graph.node, *(node for function in model.functions for node in function.node))
    for graph in (model.graph, *(inner for node in nodes for inner in _graphs_in(node))):
        yield from graph.initializer
        yield from (sparse.values for sparse in graph.sparse_initializer)


ONNX = Onnx()
