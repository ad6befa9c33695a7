"""The weights of an ONNX model: initializers and Constant nodes, of all graphs and functions."""

from collections.abc import Iterator
from typing import Any

from kleverproto.signatures import Parameters
from modelformats.parts import Part, whole_bytes
from modelformats.weights import Weight, counted, size_in_bytes, unknown_type

from .onnx_messages import DTYPES

CONSTANT = "Constant"
EXTERNAL = 1
"""TensorProto.DataLocation."""


def nodes_in(model: Any) -> Iterator[Any]:
    """The nodes of the main graph, of functions, and of the graphs inside their attributes."""
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in nodes:
            yield node
            yield from (inner for graph in _graphs_in(node) for inner in graph.node)


def tensors_in(model: Any) -> Iterator[Any]:
    """Everything that may have its data in a file beside the model: weights, and the tensors of attributes."""
    for graph in _graphs(model):
        yield from graph.initializer
        yield from (sparse.values for sparse in graph.sparse_initializer)
    yield from (tensor for node in nodes_in(model) for tensor in _attributes(node))


def parameters_of(model: Any) -> Parameters:
    """Weights counted by type; exporters such as Paddle's and spox keep theirs in Constant nodes.

    Raises:
        ValueError: a tensor has dimensions that none can have.
    """
    return counted(_weight(tensor) for tensor in _weights(model))


def unknown_types(model: Any) -> list[int]:
    """The types of weights that are newer than the list of types here."""
    return sorted({tensor.data_type for tensor in _weights(model)} - DTYPES.keys())


def external_parts(model: Any) -> Iterator[Part]:
    """The tensors whose data is in files beside the model (docs/ExternalData of ONNX).

    Raises:
        ValueError: a tensor has dimensions that none can have.
    """
    for tensor in tensors_in(model):
        if tensor.data_location == EXTERNAL:
            said = _external(tensor)
            name = repr(tensor.name) if tensor.name else "of a node"
            end = whole_bytes(said.get("offset")) + (_size(tensor, said) or 0)
            yield Part(f"the weights {name}", said.get("location", ""), end)


def _external(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data} if tensor.data_location == EXTERNAL else {}


def _size(tensor: Any, said: dict[str, str]) -> int | None:
    """Bytes of a tensor's data: of known types by its shape, of others as the file has it."""
    computed = size_in_bytes(DTYPES.get(tensor.data_type), tensor.dims)
    return whole_bytes(said.get("length")) or getattr(tensor, "raw_size", 0) or None if computed is None else computed


def _weights(model: Any) -> Iterator[Any]:
    for graph in _graphs(model):
        yield from graph.initializer
        yield from (sparse.values for sparse in graph.sparse_initializer)
    yield from (tensor for node in nodes_in(model) if node.op_type == CONSTANT for tensor in _attributes(node))


def _graphs(model: Any) -> Iterator[Any]:
    yield model.graph
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        yield from (graph for node in nodes for graph in _graphs_in(node))


def _graphs_in(node: Any) -> Iterator[Any]:
    """The graphs of a node's attributes, as deep as protobuf lets messages be nested, which is 100."""
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield graph
            for inner in graph.node:
                yield from _graphs_in(inner)


def _attributes(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        if attribute.HasField("sparse_tensor"):
            yield attribute.sparse_tensor.values


def _weight(tensor: Any) -> Weight:
    if tensor.data_type in DTYPES:
        return Weight(DTYPES[tensor.data_type], tensor.dims)
    return Weight(unknown_type(tensor.data_type), tensor.dims, _size(tensor, _external(tensor)))
