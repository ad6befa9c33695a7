"""Very small ONNX models that differ in one number, so that each has a different digest."""

from pathlib import Path

from onnx import TensorProto, helper


def adder(directory: Path, number: float) -> Path:
    """A model directory: `y` = `x` + number, both FP32 [N]."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "number"], ["y"])],
        "adder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor("number", TensorProto.FLOAT, [], [number])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (directory / "model").mkdir(parents=True)
    (directory / "model" / "model.onnx").write_bytes(model.SerializeToString())
    return directory


def broken(directory: Path) -> Path:
    """A model directory whose file is declared as ONNX and is not."""
    (directory / "model").mkdir(parents=True)
    (directory / "model" / "model.onnx").write_bytes(b"\x08\x08\x12 this is no model at all")
    (directory / "ormbfile.yaml").write_text("format: ONNX\n")
    return directory


def big_file(directory: Path, size: int = 4096) -> Path:
    """A model directory with one file of this many bytes without short repetitions."""
    (directory / "model").mkdir(parents=True)
    (directory / "ormbfile.yaml").write_text("format: Others\n")
    (directory / "model" / "weights.bin").write_bytes(b"".join(n.to_bytes(4, "big") for n in range(size // 4)))
    return directory


def many_files(directory: Path, count: int = 12) -> Path:
    """A model directory with this many small files."""
    (directory / "model").mkdir(parents=True)
    (directory / "ormbfile.yaml").write_text("format: Others\n")
    for number in range(count):
        (directory / "model" / f"{number:05}.txt").write_text(str(number))
    return directory
