"""Models of 1 GiB, mostly zeros, for behaviour that must not depend on the size."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import onnx
from onnx import helper

from support import model_files

GIBI = 2**30
FLOATS = GIBI // 4


def onnx_inline(directory: Path) -> None:
    """One initializer inside the file."""
    _onnx(helper.make_tensor("w", onnx.TensorProto.FLOAT, [FLOATS], bytes(GIBI), raw=True), directory)


def onnx_external(directory: Path) -> None:
    """One initializer in a separate file."""
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[FLOATS])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    _onnx(tensor, directory)
    _zeros(directory / "weights.bin", GIBI)


def safetensors(directory: Path) -> None:
    """One tensor."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [FLOATS], "data_offsets": [0, GIBI]}}).encode()
    path = directory / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    _zeros(path, 8 + len(header) + GIBI)


def sklearn(directory: Path) -> None:
    """An estimator with a large attribute, like a nearest-neighbours model."""
    model = model_files.classifier()
    model.samples_ = np.zeros(FLOATS, dtype=np.float32)
    joblib.dump(model, directory / "model.joblib")


def saved_model(directory: Path) -> None:
    """Variables beside the graph."""
    model_files.write_model(directory, "SavedModel")
    (directory / "variables").mkdir()
    _zeros(directory / "variables" / "variables.data-00000-of-00001", GIBI)


LARGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "ONNX": ("ONNX", onnx_inline),
    "ONNX, external data": ("ONNX", onnx_external),
    "SafeTensors": ("SafeTensors", safetensors),
    "SKLearn": ("SKLearn", sklearn),
    "SavedModel": ("SavedModel", saved_model),
}
"""Title to format and the function that creates the model."""


def _onnx(tensor: onnx.TensorProto, directory: Path) -> None:
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [FLOATS])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [FLOATS])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "large", [x], [y], [tensor])
    (directory / "model.onnx").write_bytes(helper.make_model(graph).SerializeToString())


def _zeros(path: Path, size: int) -> None:
    """Grow a file; it takes no space on disk."""
    with path.open("ab") as file:
        file.truncate(size)
