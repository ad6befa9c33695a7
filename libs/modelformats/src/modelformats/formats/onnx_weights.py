"""Operators and weights of an ONNX model, collected from all graphs and functions in one pass over their nodes."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kleverproto.signatures import Parameters
from modelformats.parts import Part, whole_bytes
from modelformats.weights import Weight, counted, named_type, size_in_bytes

from .onnx_messages import DTYPES

CONSTANT = "Constant"
SCALARS = {"value_float": "float32", "value_int": "int64", "value_string": "str"}
FLOATS, INTS, STRINGS = LISTS = ("value_floats", "value_ints", "value_strings")
"""Attributes of Constant with numbers and texts that are not in a tensor."""
EXTERNAL = 1
"""TensorProto.DataLocation."""


@dataclass
class Contents:
    """The content of a model's graphs and functions."""

    operators: Counter[str] = field(default_factory=Counter)
    weights: list[Any] = field(default_factory=list)
    """Initializers and the tensors of Constant nodes, in which exporters such as Paddle's and spox store weights."""
    others: list[Any] = field(default_factory=list)
    """Tensors in attributes of other nodes, such as the fill value of ConstantOfShape."""
    bare: list[Any] = field(default_factory=list)
    """Attributes of Constant nodes that are not tensors; lists among them have a length only in SIZED_SCHEMA."""

    def parameters(self) -> Parameters:
        """Return weights counted by type. Raises ValueError: a tensor has invalid dimensions."""
        return counted(self.measured())

    def measured(self) -> list[Weight]:
        """Return the weights with their sizes, if they can be determined."""
        return [*map(_weight, self.weights), *map(_bare_weight, self.bare)]

    def needs_sizes(self) -> bool:
        """Return whether there are weights whose size only SIZED_SCHEMA contains."""
        has_newer = any(tensor.data_type not in DTYPES for tensor in self.weights)
        return has_newer or any(attribute.name in LISTS for attribute in self.bare)

    def external_parts(self) -> Iterator[Part]:
        """Yield the tensors with data in files beside the model (docs/ExternalData of ONNX).

        Raises the errors of `parameters`.
        """
        for tensor in (*self.weights, *self.others):
            if tensor.data_location == EXTERNAL:
                external = _external(tensor)
                name = repr(tensor.name) if tensor.name else "of a node"
                end = whole_bytes(external.get("offset")) + (_size(tensor, external) or 0)
                yield Part(f"the weights {name}", external.get("location", ""), end)


def contents_of(model: Any) -> Contents:
    """Collect the content of a model, up to protobuf's maximum nesting depth of 100."""
    contents = Contents()
    _graph(model.graph, contents)
    for function in model.functions:
        _nodes(function.node, contents)
    return contents


def _graph(graph: Any, contents: Contents) -> None:
    contents.weights.extend(graph.initializer)
    contents.weights.extend(sparse.values for sparse in graph.sparse_initializer)
    _nodes(graph.node, contents)


def _nodes(nodes: Iterable[Any], contents: Contents) -> None:
    for node in nodes:
        kind = node.op_type
        contents.operators[kind] += 1
        for attribute in node.attribute:
            _attribute(attribute, contents, contents.weights if kind == CONSTANT else contents.others)
            if kind == CONSTANT and attribute.name in {*SCALARS, *LISTS}:
                contents.bare.append(attribute)


def _attribute(attribute: Any, contents: Contents, tensors: list[Any]) -> None:
    if attribute.HasField("t"):
        tensors.append(attribute.t)
    if attribute.HasField("sparse_tensor"):
        tensors.append(attribute.sparse_tensor.values)
    if attribute.HasField("g"):
        _graph(attribute.g, contents)
    for graph in attribute.graphs:
        _graph(graph, contents)


def _bare_weight(attribute: Any) -> Weight:
    if attribute.name == FLOATS:
        return Weight("float32", [sum(attribute.float_sizes) // 4])
    if attribute.name == INTS:
        return Weight("int64", [sum(attribute.int_counts)])
    if attribute.name == STRINGS:
        return Weight("str", [len(attribute.string_sizes)])
    return Weight(SCALARS[attribute.name], [])


def _external(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data} if tensor.data_location == EXTERNAL else {}


def _size(tensor: Any, external: dict[str, str]) -> int | None:
    """Return the size of a tensor's data: for known types from its shape, for others from the file."""
    computed = size_in_bytes(DTYPES.get(tensor.data_type), tensor.dims)
    return (
        whole_bytes(external.get("length")) or getattr(tensor, "raw_size", 0) or None if computed is None else computed
    )


def _weight(tensor: Any) -> Weight:
    size = None if tensor.data_type in DTYPES else _size(tensor, _external(tensor))
    return Weight(named_type(DTYPES, tensor.data_type), tensor.dims, size)
