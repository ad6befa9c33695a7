"""Reads and writes Caffe2 nets, with arguments by name. Field numbers follow caffe2/proto/caffe2.proto."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelfiles.protobuf.messages import Messages, message_class

from ..program import INVALID_MODEL, ProblemError, Request

INIT, PREDICT, VALUE_INFO = "init_net.pb", "predict_net.pb", "value_info.json"
FLOAT = 1
"""TensorProto.DataType."""
MESSAGES: Messages = {
    "NetDef": (
        ("name", 1, "string"),
        ("op", 2, "*OperatorDef"),
        ("external_input", 7, "*string"),
        ("external_output", 8, "*string"),
    ),
    "OperatorDef": (
        ("input", 1, "*string"),
        ("output", 2, "*string"),
        ("name", 3, "string"),
        ("type", 4, "string"),
        ("arg", 5, "*Argument"),
    ),
    "Argument": (
        ("name", 1, "string"),
        ("f", 2, "?float"),
        ("i", 3, "?int64"),
        ("s", 4, "?bytes"),
        ("floats", 5, "*float"),
        ("ints", 6, "*int64"),
    ),
}
NET = message_class("klever.programs.netdef", MESSAGES, "NetDef")
FILLS = {
    "GivenTensorFill": ("floats", np.float32),
    "GivenTensorDoubleFill": ("floats", np.float64),
    "GivenTensorIntFill": ("ints", np.int32),
    "GivenTensorInt64Fill": ("ints", np.int64),
}
"""The argument with the values of an operator, and their type."""

Value = int | float | str | Sequence[int] | Sequence[float]


@dataclass(frozen=True)
class Operator:
    """An operator of a net."""

    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def integer(self, name: str, default: int = 0) -> int:
        """Return an integer argument."""
        return int(self.arguments.get(name, default))

    def real(self, name: str, default: float) -> float:
        """Return a float argument."""
        return float(self.arguments.get(name, default))

    def pair(self, name: str, default: int) -> tuple[int, int]:
        """Return height and width: `kernel`, `kernels`, or `kernel_h` and `kernel_w`."""
        many = self.arguments.get(f"{name}s")
        if many:
            return int(many[0]), int(many[-1])
        one = self.integer(name, default)
        return self.integer(f"{name}_h", one), self.integer(f"{name}_w", one)

    def pads(self) -> tuple[int, int, int, int]:
        """Return top, left, bottom, right."""
        many = self.arguments.get("pads")
        if many:
            top, left, bottom, right = (int(size) for size in many)
            return top, left, bottom, right
        one = self.integer("pad")
        return (
            self.integer("pad_t", one),
            self.integer("pad_l", one),
            self.integer("pad_b", one),
            self.integer("pad_r", one),
        )


@dataclass
class Net:
    """A net, and the weights that another net fills."""

    operators: list[Operator]
    weights: dict[str, NDArray[Any]]
    inputs: list[str]
    outputs: list[str]


def read_net(request: Request) -> Net:
    """Read both files. Raises ProblemError if one is not a NetDef, or fills weights with an unknown operator."""
    init, predict = (_parse(file) for file in request.files)
    weights = dict(_filled(_operator(each)) for each in init.op)
    operators = [_operator(each) for each in predict.op]
    inputs = [name for name in predict.external_input if name not in weights]
    placeholders = [entry.name for entry in request.inputs if entry.name in weights]
    for name in placeholders:  # some tools also fill the inputs, so that a net can run without input
        del weights[name]
    return Net(operators, weights, [*inputs, *placeholders], list(predict.external_output))


def write_net(net: Net, shapes: Mapping[str, Sequence[int]], directory: Path) -> None:
    """Write both files, and the shapes of the inputs beside them."""
    predict = NET(name="predict", external_input=[*net.inputs, *net.weights], external_output=net.outputs)
    init = NET(name="init", external_output=list(net.weights))
    for each in net.operators:
        _write(predict, each)
    for name, values in net.weights.items():
        kind = "GivenTensorInt64Fill" if values.dtype.kind == "i" else "GivenTensorFill"
        filling = {"shape": values.shape, "values": values.reshape(-1).tolist()}
        _write(init, Operator(kind, (), (name,), filling))
    (directory / PREDICT).write_bytes(predict.SerializeToString())
    (directory / INIT).write_bytes(init.SerializeToString())
    known = {name: [FLOAT, list(shapes[name])] for name in net.inputs}
    (directory / VALUE_INFO).write_text(json.dumps(known))


def _parse(path: Path) -> Any:
    net = NET()
    try:
        net.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's error class is not importable everywhere
        raise ProblemError(INVALID_MODEL, f"{path.name} is not a NetDef: {error}") from error
    fills_nothing = net.name and path.name.lower().endswith(INIT)
    if not net.op and not fills_nothing:
        raise ProblemError(INVALID_MODEL, f"{path.name} has no operators: it is empty or no NetDef")
    return net


def _operator(message: Any) -> Operator:
    arguments = {each.name: _value(each) for each in message.arg}
    return Operator(message.type, tuple(message.input), tuple(message.output), arguments)


def _value(message: Any) -> Any:
    for single in ("f", "i", "s"):
        if message.HasField(single):
            return getattr(message, single)
    return list(message.floats or message.ints)


def _filled(operator: Operator) -> tuple[str, NDArray[Any]]:
    shape = [int(size) for size in operator.arguments.get("shape", ())]
    if operator.type == "ConstantFill":
        values = np.full(shape, operator.real("value", 0.0), np.float32)
    elif operator.type in FILLS:
        dtype = FILLS[operator.type][1]
        values = np.asarray(operator.arguments.get("values", ()), dtype)
    else:
        raise ProblemError(
            INVALID_MODEL,
            f"the init net fills {operator.outputs[0]} with {operator.type}; weights come from {', '.join(FILLS)}",
        )
    if values.size != int(np.prod(shape)):
        raise ProblemError(INVALID_MODEL, f"{operator.outputs[0]} has {values.size} values, not those of {shape}")
    return operator.outputs[0], values.reshape(shape)


def _write(net: Any, operator: Operator) -> None:
    message = net.op.add(type=operator.type, input=operator.inputs, output=operator.outputs)
    for name, value in operator.arguments.items():
        argument = message.arg.add(name=name)
        if isinstance(value, str):
            argument.s = value.encode()
        elif isinstance(value, int):
            argument.i = value
        elif isinstance(value, float):
            argument.f = value
        else:
            integers = all(isinstance(each, int) for each in value)
            (argument.ints if integers else argument.floats).extend(value)
