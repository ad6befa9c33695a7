"""Weights in the graphs of an ONNX model, including the branches and bodies of If, Loop and Scan."""

from collections.abc import Iterator, Mapping
from itertools import count
from math import prod

import onnx

_FLOATS = {
    onnx.TensorProto.FLOAT: 4,
    onnx.TensorProto.FLOAT16: 2,
    onnx.TensorProto.BFLOAT16: 2,
    onnx.TensorProto.DOUBLE: 8,
}
"""Bytes of an element."""


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield the graph, and the graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from graphs_of(inner)


def float_bytes(model: onnx.ModelProto) -> int:
    """Return the size of float weights in bytes."""
    return sum(
        _FLOATS.get(tensor.data_type, 0) * prod(tensor.dims)
        for graph in graphs_of(model.graph)
        for tensor in graph.initializer
    )


def operators_of(model: onnx.ModelProto) -> set[str]:
    """Return the operators of all graphs."""
    return {node.op_type for graph in graphs_of(model.graph) for node in graph.node}


def make_names_unique(model: onnx.ModelProto) -> None:
    """Name every node, so that it can be excluded, and rename weights of inner graphs so that names are unique."""
    numbers = count()
    for graph in graphs_of(model.graph):
        for node in graph.node:
            node.name = f"{node.op_type}_{next(numbers)}"
        if graph is not model.graph:
            _rename(graph, {tensor.name: f"{tensor.name}_{next(numbers)}" for tensor in graph.initializer})


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for inner in graphs_of(graph):
        for tensor in inner.initializer:
            tensor.name = names.get(tensor.name, tensor.name)
        for value in (*inner.value_info, *inner.output):
            value.name = names.get(value.name, value.name)
        for node in inner.node:
            node.input[:] = [names.get(name, name) for name in node.input]


def separate_outputs(model: onnx.ModelProto) -> None:
    """Put Identity between a weight and an output, because a tool that replaces weights would replace both."""
    outputs = {value.name for value in model.graph.output}
    for tensor in model.graph.initializer:
        if tensor.name in outputs:
            inner = f"{tensor.name}_weights"
            for node in (node for graph in graphs_of(model.graph) for node in graph.node):
                node.input[:] = [inner if name == tensor.name else name for name in node.input]
            model.graph.node.append(onnx.helper.make_node("Identity", [inner], [tensor.name], name=f"{inner}_output"))
            tensor.name = inner
