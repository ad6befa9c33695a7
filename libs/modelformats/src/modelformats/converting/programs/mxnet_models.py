"""MXNet checkpoints, as they are used: without labels and losses, which only training needs."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import json
from typing import Any

import mxnet

from .program import INPUT_SHAPE_NEEDED, INVALID_MODEL, Input, ProblemError, Request

LOSSES = {
    "SoftmaxOutput": "softmax",
    "LinearRegressionOutput": "identity",
    "MAERegressionOutput": "identity",
    "LogisticRegressionOutput": "sigmoid",
}
"""Operator of a loss to what it computes when nothing is learned."""


def load_checkpoint(request: Request) -> tuple[Any, dict[str, Any]]:
    """The symbol and its arrays by name. Raises ProblemError when MXNet cannot load them."""
    symbol, params = request.single_file("*symbol.json"), request.single_file("*.params")
    try:
        graph = mxnet.sym.load_json(json.dumps(without_losses(json.loads(symbol.read_text()))))
        arrays = mxnet.nd.load(str(params))
    except (mxnet.MXNetError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProblemError(INVALID_MODEL, f"MXNet cannot load {symbol.name}: {first_line(error)}") from error
    if not isinstance(arrays, dict):
        raise ProblemError(INVALID_MODEL, f"the arrays in {params.name} have no names: save them with their names")
    return graph, {name.split(":", 1)[-1]: array for name, array in arrays.items()}


def without_losses(graph: dict[str, Any]) -> dict[str, Any]:
    """The graph with what its losses compute in their places; their labels are left over and unused."""
    nodes = [_without_loss(node) for node in graph["nodes"]]
    return {**graph, "nodes": nodes}


def _without_loss(node: dict[str, Any]) -> dict[str, Any]:
    if node["op"] not in LOSSES:
        return node
    said = node.get("attrs") or node.get("param") or {}
    many = str(said.get("multi_output", said.get("preserve_shape", ""))) in {"True", "1"}
    attributes = {"axis": "1"} if node["op"] == "SoftmaxOutput" and many else {}
    return {"op": LOSSES[node["op"]], "name": node["name"], "attrs": attributes, "inputs": node["inputs"][:1]}


def inputs_of(graph: Any, arrays: dict[str, Any]) -> list[str]:
    """What is fed, in the graph's order."""
    return [name for name in graph.list_inputs() if name not in arrays]


def declared(request: Request, names: list[str]) -> list[Input]:
    """The request's inputs in the graph's order, each with a shape. Raises ProblemError where one is missing."""
    known = {entry.name: entry for entry in request.inputs}
    missing = [name for name in names if name not in known or known[name].shape is None]
    if missing:
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            f"an MXNet model does not tell the shape of its inputs: declare {', '.join(missing)} in ormbfile.yaml "
            "(signature.inputs, a name, dType and size such as [-1, 3, 224, 224])",
        )
    return [known[name] for name in names]


def first_line(error: Exception) -> str:
    """What MXNet says; the lines after it are places in its sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and "Stack trace" not in line]
    return lines[-1] if lines else type(error).__name__
