"""TensorFlow graphs, frozen or in a SavedModel: the operators that loading or calling them could run.

Operators of the graph also load checkpoints, and name files. They are harmless if only the saver reaches them
(`saver_def` of tensorflow/core/protobuf/meta_graph.proto), and not the signatures that are called.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelfiles.protobuf.skimming import Schema
from modelformats.formats.tensorflow_types import node_name

from .finding import Carried
from .tensorflow_operators import operator_of, saver_of

if TYPE_CHECKING:
    from modelfiles.protobuf.messages import Messages

GRAPH: "Messages" = {
    "GraphDef": (("nodes", 1, "*NodeDef"), ("library", 2, "FunctionLibrary")),
    "FunctionLibrary": (("functions", 1, "*FunctionDef"),),
    "FunctionDef": (("signature", 1, "OpDef"), ("nodes", 3, "*NodeDef")),
    "OpDef": (("name", 1, "string"),),
    "NodeDef": (("name", 1, "string"), ("op", 2, "string"), ("inputs", 3, "*string"), ("attributes", 5, "*Attribute")),
    "Attribute": (("key", 1, "string"), ("value", 2, "AttributeValue")),
    "AttributeValue": (("list", 1, "List"), ("text", 2, "bytes"), ("function", 10, "Function")),
    "List": (("functions", 9, "*Function"),),
    "Function": (("name", 1, "string"),),
}
MODEL: "Messages" = {
    "SavedModel": (("meta_graphs", 2, "*MetaGraphDef"),),
    "MetaGraphDef": (("graph", 2, "GraphDef"), ("saver", 3, "SaverDef"), ("signatures", 5, "*SignatureEntry")),
    "SaverDef": (("filename", 1, "string"), ("save", 2, "string"), ("restore", 3, "string")),
    "SignatureEntry": (("value", 2, "SignatureDef"),),
    "SignatureDef": (("outputs", 2, "*TensorEntry"),),
    "TensorEntry": (("value", 2, "TensorInfo"),),
    "TensorInfo": (("name", 1, "string"),),
}
GRAPH_SCHEMA = Schema("klever.carried.graphdef", GRAPH, "GraphDef")
MODEL_SCHEMA = Schema("klever.carried.savedmodel", {**MODEL, **GRAPH}, "SavedModel")
STREAM = "output_stream"


def code_of_saved_model(path: Path) -> Iterator[Carried]:
    """Yield effects of loading or calling any graph of a saved_model.pb, besides computing.

    Raises the errors of `Schema.read`.
    """
    for meta in MODEL_SCHEMA.read(path).meta_graphs:
        ends = [entry.value.name for signature in meta.signatures for entry in signature.value.outputs]
        yield from _code_of(_Graph(meta.graph), [meta.saver.save, meta.saver.restore], ends)


def code_of_graph(path: Path) -> Iterator[Carried]:
    """Like `code_of_saved_model`, for a frozen graph, which needs no checkpoint."""
    yield from _code_of(_Graph(GRAPH_SCHEMA.read(path)), [], [])


def _code_of(graph: "_Graph", saver: Iterable[str], ends: Iterable[str]) -> Iterator[Carried]:
    of_saver = graph.before(saver) - graph.before(ends)
    main = [node for name, node in graph.nodes.items() if name not in of_saver]
    saving = [node for name, node in graph.nodes.items() if name in of_saver]
    run = graph.called_by(main)
    only_saving = graph.called_by(saving) - run
    everything = [*main, *graph.bodies(graph.functions.keys() - only_saving)]
    yield from _judged(everything, may_save=False)
    yield from _judged([*saving, *graph.bodies(only_saving)], may_save=True)


def _judged(nodes: Iterable[Any], *, may_save: bool) -> Iterator[Carried]:
    seen = set[tuple[str, str]]()
    for node in nodes:
        key = node.op, _stream(node)
        if key in seen:
            continue
        seen.add(key)
        carried = operator_of(*key) or (None if may_save else saver_of(node.op))
        if carried is not None:
            yield carried


def _stream(node: Any) -> str:
    return next((entry.value.text.decode(errors="replace") for entry in node.attributes if entry.key == STREAM), "")


class _Graph:
    """The nodes of a graph by name, and its functions."""

    def __init__(self, graph: Any) -> None:
        self.nodes: dict[str, Any] = {node.name: node for node in graph.nodes}
        self.functions: dict[str, list[Any]] = {}
        for function in graph.library.functions:
            self.functions.setdefault(function.signature.name, []).extend(function.nodes)

    def before(self, names: Iterable[str]) -> set[str]:
        """Return the nodes with these names, or names of their results, and all nodes that they depend on."""
        waiting, reached = [node_name(name) for name in names], set[str]()
        while waiting:
            name = waiting.pop()
            if name in reached or name not in self.nodes:
                continue
            reached.add(name)
            waiting.extend(map(node_name, self.nodes[name].inputs))
        return reached

    def called_by(self, nodes: Iterable[Any]) -> set[str]:
        """Return the functions that nodes call, directly or indirectly."""
        waiting, called = [name for node in nodes for name in _called(node)], set[str]()
        while waiting:
            name = waiting.pop()
            if name not in called and name in self.functions:
                called.add(name)
                waiting.extend(self._calls[name])
        return called

    def bodies(self, names: Iterable[str]) -> list[Any]:
        """Return the nodes of functions."""
        return [node for name in names for node in self.functions[name]]

    @cached_property
    def _calls(self) -> dict[str, list[str]]:
        return {name: [called for node in nodes for called in _called(node)] for name, nodes in self.functions.items()}


def _called(node: Any) -> Iterator[str]:
    """Yield the functions that a node names in attributes or, in old graphs, as its operator."""
    yield node.op
    for entry in node.attributes:
        yield entry.value.function.name
        yield from (function.name for function in entry.value.list.functions)
