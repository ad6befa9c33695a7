"""Converts Caffe2 nets to ONNX, for the operators of `operators`; the size of the batch becomes variable."""

import onnx
from onnx import TensorProto, helper, numpy_helper

from ..program import INPUT_SHAPE_NEEDED, UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions
from .nets import read_net
from .operators import CONVERTERS, Graph

FILE, OPSET, IR_VERSION = "model.onnx", 12, 8
"""Operator set 12, because its Softmax is the last that flattens like Caffe2's."""


def convert(request: Request) -> dict[str, str]:
    """Convert each operator; weights become initializers."""
    net = read_net(request)
    if not net.inputs:
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            f"the init net fills all inputs of the net ({', '.join(net.weights)}): declare those of them that are "
            "inputs in ormbfile.yaml (signature.inputs, a name, dType and size)",
        )
    shapes = {entry.name: entry.shape for entry in request.inputs}
    missing = [name for name in net.inputs if shapes.get(name) is None]
    if missing:
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            f"a NetDef does not contain the shapes of its inputs: declare {', '.join(missing)} in ormbfile.yaml "
            "(signature.inputs, a name, dType and size such as [-1, 3, 224, 224]), or add a value_info.json",
        )
    graph = Graph({name: len(shapes[name] or ()) for name in net.inputs}, net.weights)
    for operator in net.operators:
        if operator.type not in CONVERTERS:
            known = ", ".join(sorted(CONVERTERS))
            raise ProblemError(
                UNSUPPORTED_OPERATOR, f"the operator {operator.type} has no conversion; these have: {known}"
            )
        graph.add(operator)
    inputs = [_value(name, [f"{name}_0", *(shapes[name] or ())[1:]]) for name in net.inputs]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in net.outputs]
    nodes = [*graph.nodes, *(helper.make_node("Identity", [graph.now(name)], [name]) for name in net.outputs)]
    weights = [numpy_helper.from_array(values, name) for name, values in graph.constants.items()]
    made = helper.make_graph(nodes, "netdef", inputs, outputs, weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="klever")
    model.ir_version = IR_VERSION
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model)
    onnx.save_model(model, request.destination / FILE)
    return versions("onnx")


def _value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    free = [size if isinstance(size, str) or size > 0 else f"{name}_{place}" for place, size in enumerate(shape)]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, free)


if __name__ == "__main__":
    main(convert)
