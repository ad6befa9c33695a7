"""Caffe2 models: init_net.pb fills the weights, predict_net.pb computes; both are a NetDef.

Field numbers and types follow caffe2/proto/caffe2.proto. A value_info.json beside them, as Caffe2's ONNX tools require,
contains types and shapes of inputs: `{"data": [1, [1, 3, 224, 224]]}`.
"""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kleverproto.signatures import Signature, Tensor
from modelfiles.protobuf.skimming import Schema
from modelformats.errors import InvalidModelError
from modelformats.format import files_matching, reading, single_file
from modelformats.weights import Weight, counted, named_type, newer_types, unknown_type

if TYPE_CHECKING:
    from modelfiles.protobuf.messages import Messages

INIT, PREDICT, VALUE_INFO = "*init_net.pb", "*predict_net.pb", "value_info.json"
VALUE_INFO_LIMIT = 1024**2
PLACEHOLDER = "ConstantFill"
"""Converters fill inputs with one number, so that a net can run without input."""

DTYPES = {
    1: "float32",
    2: "int32",
    3: "uint8",
    4: "str",
    5: "bool",
    6: "uint8",
    7: "int8",
    8: "uint16",
    9: "int16",
    10: "int64",
    12: "float16",
    13: "float64",
}
"""TensorProto.DataType."""
FILLS = {
    **dict.fromkeys(("ConstantFill", "GaussianFill", "GivenTensorFill", "MSRAFill", "RangeFill"), "float32"),
    **dict.fromkeys(("UniformFill", "XavierFill"), "float32"),
    **dict.fromkeys(("Float16ConstantFill", "Float16UniformFill"), "float16"),
    **dict.fromkeys(("Int8GivenIntTensorFill", "LengthsRangeFill", "UniformIntFill"), "int32"),
    "Int8GivenTensorFill": "uint8",
    "GivenTensorBoolFill": "bool",
    "GivenTensorByteStringToUInt8Fill": "uint8",
    "GivenTensorDoubleFill": "float64",
    "GivenTensorInt16Fill": "int16",
    "GivenTensorInt64Fill": "int64",
    "GivenTensorIntFill": "int32",
    "GivenTensorStringFill": "str",
}
"""Types of the values of operators that fill, unless they have an argument `dtype`."""

MESSAGES: "Messages" = {
    "NetDef": (
        ("name", 1, "string"),
        ("operators", 2, "*Operator"),
        ("external_inputs", 7, "*string"),
        ("external_outputs", 8, "*string"),
    ),
    "Operator": (
        ("inputs", 1, "*string"),
        ("outputs", 2, "*string"),
        ("type", 4, "string"),
        ("arguments", 5, "*Argument"),
    ),
    "Argument": (("name", 1, "string"), ("number", 3, "int64"), ("numbers", 6, "*int64")),
}
SCHEMA = Schema("klever.caffe2", MESSAGES, "NetDef")


class NetDef:
    """See `modelformats.format.Format`."""

    name = "NetDef"

    def detect(self, directory: Path) -> bool:
        """Detect a *init_net.pb and a *predict_net.pb file."""
        return bool(files_matching(directory, INIT) and files_matching(directory, PREDICT))

    def validate(self, directory: Path) -> None:
        """Check for one *init_net.pb and one *predict_net.pb file."""
        files(directory)

    def extract(self, directory: Path) -> Signature:
        """Return inputs, outputs and operators of the net that predicts, and the weights that the other net fills."""
        init_file, predict_file = files(directory)
        predict, init = _net(predict_file), _net(init_file)
        info = _value_info(directory / VALUE_INFO)
        with reading(init_file, "NetDef"):
            return _signature(init, predict, info)


def files(directory: Path) -> tuple[Path, Path]:
    """Return the nets that fill and that predict. Raises InvalidModelError if one is missing, or there are several."""
    return single_file(directory, INIT), single_file(directory, PREDICT)


def _net(path: Path) -> Any:
    with reading(path, "NetDef"):
        net = SCHEMA.read(path)
        fills_nothing = not net.operators and net.name and Path(path.name.lower()).match(INIT)
        if not fills_nothing and not any(operator.type for operator in net.operators):
            raise InvalidModelError(f"{path.name} has no operators: it is empty or not a NetDef")
        return net


def _value_info(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    with reading(path, "description of inputs"), path.open("rb") as file:
        info = json.loads(file.read(VALUE_INFO_LIMIT))
        for dtype, shape in info.values():
            if dtype not in DTYPES or not all(isinstance(size, int) for size in shape):
                raise InvalidModelError(f"{path.name} should give each input's type by number and its shape")
        return dict(info)


def _signature(init: Any, predict: Any, info: dict[str, Any]) -> Signature:
    taken = _fed(init, predict)
    fed = set(taken)
    weights = [_weight(operator) for operator in init.operators if not fed & set(operator.outputs)]
    inputs = tuple(_tensor(name, info) for name in taken)
    outputs = tuple(_tensor(name, info) for name in predict.external_outputs or _left(predict))
    unknown = {"framework_version": "a NetDef does not name the version of Caffe2 that wrote it"}
    for side, tensors in (("inputs", inputs), ("outputs", outputs)):
        if any(tensor.shape is None for tensor in tensors):
            unknown[side] = f"a NetDef has names, not types and shapes: add a {VALUE_INFO} or write the signature"
    if not inputs:
        unknown["inputs"] = "the init net fills all inputs of the net"
    return Signature(
        inputs=inputs,
        outputs=outputs,
        operators=dict(sorted(Counter(operator.type for operator in predict.operators).items())),
        parameters=counted(weights),
        framework="Caffe2",
        details={"net": predict.name},
        unknown=unknown | newer_types(weights),
    )


def _tensor(name: str, info: dict[str, Any]) -> Tensor:
    if name not in info:
        return Tensor(name=name)
    dtype, shape = info[name]
    return Tensor(name=name, dtype=DTYPES[dtype], shape=tuple(shape))


def _fed(init: Any, predict: Any) -> list[str]:
    """Return inputs that the init net does not fill; else those that it fills with a placeholder."""
    made = {name for operator in init.operators for name in operator.outputs}
    taken = dict.fromkeys(predict.external_inputs or _taken(predict))
    fed = [name for name in taken if name not in made]
    placeholders = {name for operator in init.operators if _is_placeholder(operator) for name in operator.outputs}
    return fed or [name for name in taken if name in placeholders]


def _is_placeholder(operator: Any) -> bool:
    return operator.type == PLACEHOLDER and _shape(operator) == [1]


def _taken(net: Any) -> list[str]:
    """Return values that operators consume before any operator produces them."""
    made, taken = set[str](), list[str]()
    for operator in net.operators:
        taken += [name for name in operator.inputs if name not in made]
        made.update(operator.outputs)
    return taken


def _left(net: Any) -> list[str]:
    """Return values that no operator consumes."""
    taken = {name for operator in net.operators for name in operator.inputs}
    return [name for operator in net.operators for name in operator.outputs if name not in taken]


def _shape(operator: Any) -> list[int]:
    return next((list(argument.numbers) for argument in operator.arguments if argument.name == "shape"), [])


def _weight(operator: Any) -> Weight:
    """Describe a weight, by an argument of operators that fill with one number or at random, else by the operator."""
    numbers = [argument.number for argument in operator.arguments if argument.name == "dtype"]
    dtype = named_type(DTYPES, numbers[0]) if numbers else FILLS.get(operator.type, unknown_type(operator.type))
    return Weight(dtype, _shape(operator))


NET_DEF = NetDef()
