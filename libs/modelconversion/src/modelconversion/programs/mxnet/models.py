"""Loads MXNet checkpoints: the graph for inference, without losses and labels; and the weights."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import json
from dataclasses import dataclass
from typing import Any

import mxnet as mx

from ..program import INPUT_SHAPE_NEEDED, INVALID_MODEL, Input, ProblemError, Request

IDENTITY = "_copy"
LOSSES = {
    "SoftmaxOutput": "softmax",
    "Softmax": "softmax",
    "LogisticRegressionOutput": "sigmoid",
    "LinearRegressionOutput": IDENTITY,
    "MAERegressionOutput": IDENTITY,
    "SVMOutput": IDENTITY,
}
"""Operators that have a label as input in training, and their function of the first input."""


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model."""

    trained: Any
    """The symbol of the file, with its labels."""
    used: Any
    """The symbol without losses: the function of the model's inputs."""
    weights: dict[str, Any]
    """Arguments and auxiliary states by name."""

    @property
    def inputs(self) -> list[str]:
        """Names of the variables that are not weights."""
        return [name for name in self.used.list_inputs() if name not in self.weights]


def load_checkpoint(request: Request) -> Checkpoint:
    """Load the model's two files. Raises ProblemError when MXNet cannot read one."""
    symbol, params = request.files
    try:
        trained = mx.sym.load_json(symbol.read_text())
        used = mx.sym.load_json(_without_losses(trained.tojson()))
    except (mx.MXNetError, ValueError) as error:
        raise ProblemError(INVALID_MODEL, f"MXNet cannot read {symbol.name}: {first_line(error)}") from error
    try:
        arrays = mx.nd.load(str(params))
    except mx.MXNetError as error:
        raise ProblemError(INVALID_MODEL, f"MXNet cannot read {params.name}: {first_line(error)}") from error
    if arrays and not isinstance(arrays, dict):
        raise ProblemError(INVALID_MODEL, f"the arrays of {params.name} have no names: save it with save_checkpoint")
    weights = {name.removeprefix("arg:").removeprefix("aux:"): array for name, array in dict(arrays).items()}
    return Checkpoint(trained, used, weights)


def _without_losses(symbol: str) -> str:
    """Return the graph with losses replaced by their function of the first input, so that labels are not used."""
    graph = json.loads(symbol)
    for node in graph["nodes"]:
        if node["op"] in LOSSES:
            attributes = node.get("attrs", {})
            node["op"] = LOSSES[node["op"]]
            node["inputs"] = node["inputs"][:1]
            node["attrs"] = {}
            if node["op"] == "softmax":
                node["attrs"]["axis"] = "1" if attributes.get("multi_output") in {"True", "true", "1"} else "-1"
    return json.dumps(graph)


def declared_inputs(request: Request, names: list[str]) -> list[Input]:
    """Return the declaration of each input of the graph in the signature: by name, else by position.

    Raises ProblemError if the shape of one is missing.
    """
    declared = {given.name: given for given in request.inputs}
    if set(declared) != set(names) and len(request.inputs) == len(names):
        declared = dict(zip(names, request.inputs, strict=True))
    missing = [name for name in names if name not in declared or declared[name].shape is None]
    if missing:
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            f"an MXNet model does not contain the shapes of its inputs: declare {', '.join(missing)} in ormbfile.yaml "
            "(signature.inputs, a name, dType and size such as [-1, 3, 224, 224])",
        )
    return [declared[name] for name in names]


def first_line(error: Exception) -> str:
    """Return the message of MXNet, without its stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = (line for line in lines if "Error:" in line or "Check failed" in line or "Error in operator" in line)
    return next(telling, lines[0] if lines else type(error).__name__)
