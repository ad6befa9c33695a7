"""Gives the tensors of an ONNX model the names and ranks of its source."""

from collections.abc import Iterator, Mapping, Sequence

import onnx

from ..program import Request

_FLAT = "any length"
"""The constant shape of one dimension."""


def as_declared(model: onnx.ModelProto, request: Request) -> onnx.ModelProto:
    """Return the model with the source's names; a column that is a vector in the source becomes a vector.

    Inputs and outputs are matched by position; if their numbers differ, the converter's names are kept.
    """
    for value, declared in zip(model.graph.output, request.outputs, strict=False):
        if declared.shape is not None and len(declared.shape) == 1 and _rank(value) > 1:
            _flatten(model.graph, value)
    rename(model, [entry.name for entry in request.inputs], [entry.name for entry in request.outputs])
    return model


def rename(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Rename inputs and outputs, in order; a side with another number of them keeps its names."""
    constants = {tensor.name for tensor in model.graph.initializer}
    sides = (
        ([value.name for value in model.graph.input if value.name not in constants], inputs),
        ([value.name for value in model.graph.output], outputs),
    )
    names = {old: new for own, wanted in sides if len(own) == len(wanted) for old, new in zip(own, wanted, strict=True)}
    taken = set(names.values())
    for name in _values(model.graph):
        if name in taken and name not in names:
            names[name] = _unused(name, taken | set(_values(model.graph)))
    _rename(model.graph, names)


def _rank(value: onnx.ValueInfoProto) -> int:
    return len(value.type.tensor_type.shape.dim)


def _flatten(graph: onnx.GraphProto, value: onnx.ValueInfoProto) -> None:
    if _FLAT not in {tensor.name for tensor in graph.initializer}:
        graph.initializer.append(onnx.helper.make_tensor(_FLAT, onnx.TensorProto.INT64, [1], [-1]))
    vector = f"{value.name} as a vector"
    graph.node.append(onnx.helper.make_node("Reshape", [value.name, _FLAT], [vector]))
    value.CopyFrom(onnx.helper.make_tensor_value_info(vector, value.type.tensor_type.elem_type, [None]))


def _unused(name: str, taken: set[str]) -> str:
    number = 1
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield the graph, and those of its branches and loops, which use names of the outer graph."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)


def _values(graph: onnx.GraphProto) -> set[str]:
    return {
        name
        for each in _graphs(graph)
        for name in (
            *(value.name for value in (*each.input, *each.initializer)),
            *(sparse.values.name for sparse in each.sparse_initializer),
            *(name for node in each.node for name in node.output),
        )
    }


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for each in _graphs(graph):
        for node in each.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        for value in (*each.input, *each.output, *each.value_info, *each.initializer):
            value.name = names.get(value.name, value.name)
        for sparse in each.sparse_initializer:
            sparse.values.name = names.get(sparse.values.name, sparse.values.name)
        for annotation in each.quantization_annotation:
            annotation.tensor_name = names.get(annotation.tensor_name, annotation.tensor_name)
