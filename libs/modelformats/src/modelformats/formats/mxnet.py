"""MXNet models (symbol.json of 0.8 to 1.9 and .params): the graph's nodes, and the shapes of the weights."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, reading, single_file
from modelformats.ndarray_list import DTYPES, named, read_arrays
from modelformats.weights import counted, unknown_tensors

SYMBOL, PARAMS = "*symbol.json", "*.params"
SYMBOL_LIMIT = 16 * 1024**2
VARIABLE_OPERATOR = "null"
UNSPECIFIED = -1
"""As a type: MXNet's default."""
LOSS = "Output"
"""Suffix of the names of operators, such as SoftmaxOutput, that have a label as input in training."""


class MXNetParams:
    """See `modelformats.format.Format`."""

    name = "MXNetParams"

    def detect(self, directory: Path) -> bool:
        """Detect a *symbol.json and a *.params file."""
        return bool(files_matching(directory, SYMBOL) and files_matching(directory, PARAMS))

    def validate(self, directory: Path) -> None:
        """Check for one *symbol.json and one *.params file."""
        files(directory)

    def extract(self, directory: Path) -> Signature:
        """Return variables that are not weights as inputs, heads as outputs, and operators, including nested graphs."""
        symbol, params = files(directory)
        with reading(params, "list of MXNet arrays"):
            arrays = read_arrays(params)
            parameters = counted((array.dtype, array.shape) for array in arrays)
        with reading(symbol, "MXNet symbol"):
            graph = _graph(symbol)
            inputs, labels = _inputs(graph["nodes"], set(named(arrays)))
            outputs = tuple(Tensor(name=name) for name in _heads(graph))
            return Signature(
                inputs=inputs,
                outputs=outputs,
                operators=dict(sorted(Counter(_operators(graph)).items())),
                parameters=parameters,
                framework="MXNet",
                framework_version=_version(graph),
                details={"labels": labels},
                unknown=_unknown(inputs) | unknown_tensors(DTYPES, _types(graph["nodes"], inputs)),
            )


def files(directory: Path) -> tuple[Path, Path]:
    """Return the symbol and its arrays. Raises InvalidModelError if one is missing, or there are several."""
    return single_file(directory, SYMBOL), single_file(directory, PARAMS)


def _graph(path: Path) -> Any:
    with path.open("rb") as file:
        content = file.read(SYMBOL_LIMIT + 1)
    if len(content) > SYMBOL_LIMIT:
        raise InvalidModelError(f"{path.name} is longer than {SYMBOL_LIMIT} bytes")
    graph = json.loads(content)
    if not isinstance(graph, dict) or not graph.get("nodes") or not graph.get("heads"):
        raise InvalidModelError(f"{path.name} has no nodes and heads: it is JSON, but not an MXNet symbol")
    return graph


def _inputs(nodes: list[Any], weights: set[str]) -> tuple[tuple[Tensor, ...], list[str]]:
    """Return the inputs, and the labels, which are not used in inference."""
    variables = [node for node in nodes if node["op"] == VARIABLE_OPERATOR and node["name"] not in weights]
    ends, taken = set[str](), set[str]()
    for node in nodes:
        names = [nodes[entry[0]]["name"] for entry in node["inputs"]]
        ends.update(names[1:] if node["op"].endswith(LOSS) else ())
        taken.update(names[:1] if node["op"].endswith(LOSS) else names)
    labels = [node["name"] for node in variables if node["name"] in ends - taken]
    return tuple(_tensor(node) for node in variables if node["name"] not in labels), labels


def _tensor(node: Any) -> Tensor:
    attributes = _attributes(node)
    dtype = DTYPES.get(_type(node))
    sizes = attributes.get("__shape__")
    shape = tuple(int(size) or -1 for size in re.findall(r"-?\d+", sizes)) if sizes is not None else None
    return Tensor(name=node["name"], dtype=dtype, shape=shape)


def _type(node: Any) -> int:
    return int(_attributes(node).get("__dtype__", UNSPECIFIED))


def _types(nodes: list[Any], inputs: tuple[Tensor, ...]) -> Iterator[tuple[str, int]]:
    """Yield the types of inputs by number, if the graph contains them."""
    names = {tensor.name for tensor in inputs}
    written = ((node["name"], _type(node)) for node in nodes if node["name"] in names)
    return ((name, number) for name, number in written if number != UNSPECIFIED)


def _attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of a node; their key changed twice."""
    return {**node.get("param", {}), **node.get("attr", {}), **node.get("attrs", {})}


def _heads(graph: Any) -> Iterator[str]:
    """Yield results by MXNet's names, with a number at the end if an operator has several."""
    heads = [(graph["nodes"][head[0]], head[1]) for head in graph["heads"]]
    several = {node["name"] for node, index in heads if index > 0}
    for node, index in heads:
        if node["op"] == VARIABLE_OPERATOR:
            yield node["name"]
        else:
            yield f"{node['name']}_output{index if node['name'] in several else ''}"


def _operators(graph: Any) -> Iterator[str]:
    """Yield operators at any depth of the JSON, since loops and branches contain graphs."""
    for node in graph["nodes"]:
        if node["op"] != VARIABLE_OPERATOR:
            yield node["op"]
        for inner in node.get("subgraphs", []):
            yield from _operators(inner)


def _version(graph: Any) -> str | None:
    """Return the version; 10901 is 1.9.1."""
    kind_and_number = graph.get("attrs", {}).get("mxnet_version")
    if not kind_and_number:
        return None
    number = int(kind_and_number[1])
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def _unknown(inputs: tuple[Tensor, ...]) -> dict[str, str]:
    reason = "a symbol has names and seldom shapes and types: write them into the signature"
    unknown = {"outputs": reason}
    if any(tensor.shape is None or tensor.dtype is None for tensor in inputs):
        unknown["inputs"] = reason
    return unknown


MXNET_PARAMS = MXNetParams()
