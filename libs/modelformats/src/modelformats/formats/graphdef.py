"""TensorFlow GraphDef, frozen: a graph with its weights as constants, which are not read.

Field numbers follow tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape,function,versions}.proto.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kleverproto.signatures import Signature, Tensor
from modelfiles import recognition
from modelfiles.protobuf.skimming import Schema
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading
from modelformats.weights import Weight, counted, named_type, newer_types

from .tensorflow_types import DTYPES, dtype_of, node_name, why_untyped

if TYPE_CHECKING:
    from modelfiles.protobuf.messages import Messages

INPUTS = {"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"}
NO_OUTPUT = {"NoOp", "Assert", "Const"} | INPUTS
BOOLEAN = {"Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual", "LogicalAnd", "LogicalOr", "LogicalNot"}
RESULT_TYPES = ("output_type", "out_type", "DstT", "dtype", "T")
"""Attributes with the type of an operator's result, the most specific first."""

MESSAGES: "Messages" = {
    "GraphDef": (("nodes", 1, "*NodeDef"), ("library", 2, "FunctionLibrary"), ("versions", 4, "VersionDef")),
    "VersionDef": (("producer", 1, "int32"),),
    "FunctionLibrary": (("functions", 1, "*FunctionDef"),),
    "FunctionDef": (("nodes", 3, "*NodeDef"),),
    "NodeDef": (("name", 1, "string"), ("op", 2, "string"), ("inputs", 3, "*string"), ("attributes", 5, "*Attribute")),
    "Attribute": (("key", 1, "string"), ("value", 2, "AttributeValue")),
    "AttributeValue": (
        ("list", 1, "List"),
        ("type", 6, "int32"),
        ("shape", 7, "TensorShape"),
        ("tensor", 8, "Constant"),
    ),
    "List": (("shapes", 7, "*TensorShape"),),
    "Constant": (("dtype", 1, "int32"), ("shape", 2, "TensorShape")),
    "TensorShape": (("dims", 2, "*Dim"), ("unknown_rank", 3, "bool")),
    "Dim": (("size", 1, "int64"),),
}
SCHEMA = Schema("klever.graphdef", MESSAGES, "GraphDef")
SIZED_SCHEMA = Schema(
    "klever.graphdef.sized", {**MESSAGES, "Constant": (*MESSAGES["Constant"], ("content_size", 4, "size"))}, "GraphDef"
)
"""Also has the sizes of constants, which takes longer to read; for types of unknown size."""


class GraphDef:
    """See `modelformats.format.Format`."""

    name = "GraphDef"

    def detect(self, directory: Path) -> bool:
        """Detect a *.graphdef file, or one file that begins with a node as graphs do."""
        return recognition.GRAPHDEF.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for one *.graphdef file, or other file that begins with a node."""
        model_file(recognition.GRAPHDEF, directory)

    def extract(self, directory: Path) -> Signature:
        """Return placeholders as inputs, nodes that no other node consumes as outputs, and all operators."""
        path = model_file(recognition.GRAPHDEF, directory)
        with reading(path, "GraphDef"):
            graph = SCHEMA.read(path)
            if not any(node.op for node in graph.nodes):
                raise InvalidModelError(f"{path.name} has no graph: it is empty or not a GraphDef")
            if any(tensor.dtype not in DTYPES for tensor in _constants(graph)):
                graph = SIZED_SCHEMA.read(path)
            return _signature(graph)


def _signature(graph: Any) -> Signature:
    consumed = {node_name(name) for node in graph.nodes for name in node.inputs}
    ends = [node for node in graph.nodes if node.name not in consumed and node.op not in NO_OUTPUT]
    outputs = tuple(_output(node) for node in ends)
    weights = [_weight(tensor) for tensor in _constants(graph)]
    unknown = {"framework_version": "a GraphDef contains the version of its schema, not that of TensorFlow"}
    if any(tensor.shape is None for tensor in outputs):
        unknown["outputs"] = "the graph has no shapes of results; outputs are the nodes that no other consumes"
    return Signature(
        inputs=tuple(_input(node) for node in graph.nodes if node.op in INPUTS),
        outputs=outputs,
        operators=dict(sorted(Counter(node.op for node in _nodes(graph)).items())),
        parameters=counted(weights),
        framework="TensorFlow",
        details={"producer": graph.versions.producer},
        unknown=unknown | dict(_untyped(graph, ends)) | newer_types(weights),
    )


def _attributes(node: Any) -> dict[str, Any]:
    return {entry.key: entry.value for entry in node.attributes}


def _input(node: Any) -> Tensor:
    attributes = _attributes(node)
    shape = _shape(attributes["shape"].shape) if "shape" in attributes else None
    return Tensor(name=node.name, dtype=dtype_of(_type(node, "dtype")), shape=shape)


def _output(node: Any) -> Tensor:
    attributes = _attributes(node)
    dtype = "bool" if node.op in BOOLEAN else dtype_of(_type(node, *RESULT_TYPES))
    shapes = attributes["_output_shapes"].list.shapes if "_output_shapes" in attributes else ()
    return Tensor(name=node.name, dtype=dtype, shape=_shape(shapes[0]) if shapes else None)


def _type(node: Any, *keys: str) -> int:
    """Return the first of these attributes that a node has; 0 if it has none."""
    attributes = _attributes(node)
    return next((int(attributes[key].type) for key in keys if key in attributes), 0)


def _untyped(graph: Any, ends: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield inputs and outputs without a type, with the reason; the type of a result is not always in the graph."""
    kinds = [(node.name, _type(node, "dtype")) for node in graph.nodes if node.op in INPUTS]
    kinds += [(node.name, _type(node, *RESULT_TYPES)) for node in ends if node.op not in BOOLEAN]
    for name, kind in kinds:
        if kind and (reason := why_untyped(kind)):
            yield name, reason


def _shape(shape: Any) -> tuple[int, ...] | None:
    return None if shape.unknown_rank else tuple(max(int(dim.size), -1) for dim in shape.dims)


def _constants(graph: Any) -> list[Any]:
    """Return the constants of the graph and of its functions, in which branches and loops store theirs."""
    nodes = (node for node in _nodes(graph) if node.op == "Const")
    return [entry.value.tensor for node in nodes for entry in node.attributes if entry.key == "value"]


def _nodes(graph: Any) -> Iterator[Any]:
    return chain(graph.nodes, *(function.nodes for function in graph.library.functions))


def _weight(tensor: Any) -> Weight:
    size = None if tensor.dtype in DTYPES else getattr(tensor, "content_size", 0) or None
    return Weight(named_type(DTYPES, tensor.dtype), [dim.size for dim in tensor.shape.dims], size)


GRAPH_DEF = GraphDef()
