"""Create ONNX models: `python onnx_models.py <directory>`, one directory for each model."""

import sys
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, save_model


def model(nodes: list[NodeProto], shape: list[int | str], result: int, **weights: tuple[int, ...]) -> ModelProto:
    """A model from `x` of this shape to `y`, with random weights."""
    generator = np.random.default_rng(3)
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", result])],
        [
            numpy_helper.from_array((generator.standard_normal(size) / size[-1] ** 0.5).astype(np.float32), name)
            for name, size in weights.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def perceptron() -> ModelProto:
    """Two layers and an activation."""
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["a"]),
        helper.make_node("MatMul", ["a", "w2"], ["y"]),
    ]
    return model(nodes, ["batch", 32], 10, w1=(32, 64), b1=(64,), w2=(64, 10))


def convolution() -> ModelProto:
    """A convolution over images, then a layer on the means of its channels."""
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    return model(nodes, ["batch", 3, 16, 16], 4, k=(64, 3, 3, 3), w=(64, 4))


def nothing_to_quantise() -> ModelProto:
    """A model without weights."""
    return model([helper.make_node("Sqrt", ["x"], ["y"])], ["batch", 4], 4)


def foreign() -> ModelProto:
    """A model with an unknown operator."""
    made = model([helper.make_node("Mystery", ["x"], ["y"], domain="example.test")], ["batch", 4], 4)
    made.opset_import.append(helper.make_opsetid("example.test", 1))
    return made


MODELS = {"perceptron": perceptron, "convolution": convolution, "nothing": nothing_to_quantise, "foreign": foreign}

if __name__ == "__main__":
    for name, make in MODELS.items():
        directory = Path(sys.argv[1], name)
        directory.mkdir()
        save_model(make(), directory / "model.onnx")
    external = Path(sys.argv[1], "external")
    external.mkdir()
    save_model(perceptron(), external / "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    damaged = Path(sys.argv[1], "damaged")
    damaged.mkdir()
    (damaged / "model.onnx").write_bytes(perceptron().SerializeToString()[:-500])
