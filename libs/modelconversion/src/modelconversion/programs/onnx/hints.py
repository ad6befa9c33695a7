"""The integer inputs of an ONNX model that are indices, with their limits: the rows of its Gather tables."""

from collections.abc import Iterator

import numpy as np
import onnx

from ..program import Request, main, versions
from ..samples import write_results

_PASSED = frozenset({"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Where"})
"""Operators that pass indices on unchanged."""
_WEIGHTS = frozenset({"Cast", "Identity", "DequantizeLinear"})
"""Operators that may be between a table of weights and the Gather."""


def convert(request: Request) -> dict[str, str]:
    """Write `limit/<input>` for each input that indexes a table; the smallest if there are several."""
    graph = onnx.load(request.file, format="protobuf", load_external_data=False).graph
    makers = {name: node for node in graph.node for name in node.output}
    inputs = {value.name for value in graph.input} - {weights.name for weights in graph.initializer}
    shapes = {weights.name: list(weights.dims) for weights in graph.initializer}
    shapes |= {
        name: list(each.t.dims) for name, node in makers.items() for each in node.attribute if each.name == "value"
    }
    limits: dict[str, int] = {}
    for node in graph.node:
        if node.op_type != "Gather":
            continue
        (table, indices, *_), axis = node.input, next((each.i for each in node.attribute if each.name == "axis"), 0)
        shape = next((shapes[name] for name in _behind(table, makers, _WEIGHTS) if name in shapes), [])
        for name in inputs.intersection(_behind(indices, makers, _PASSED)) if shape else ():
            limits[name] = min(limits.get(name, shape[axis]), shape[axis])
    write_results(request, {f"limit/{name}": np.array(limit) for name, limit in limits.items()})
    return versions("onnx")


def _behind(name: str, makers: dict[str, onnx.NodeProto], passed: frozenset[str]) -> Iterator[str]:
    """Yield a value, and the values that it is made of by operators that pass values on."""
    names, waiting = set[str](), [name]
    while waiting:
        here = waiting.pop()
        if here in names:
            continue
        names.add(here)
        yield here
        if here in makers and makers[here].op_type in passed:
            waiting += makers[here].input


if __name__ == "__main__":
    main(convert)
