"""Values from files in requests."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from klever.errors import InputError
from klever.tensors import infer_request
from klever.values import read_values


def metadata(**inputs: tuple[str, list[int]]) -> dict[str, Any]:
    tensors = [{"name": name, "datatype": datatype, "shape": shape} for name, (datatype, shape) in inputs.items()]
    return {"inputs": tensors}


def tensors_of(values: dict[str, Any], **inputs: tuple[str, list[int]]) -> dict[str, tuple[list[int], list[Any]]]:
    request = infer_request(values, metadata(**inputs))
    return {tensor["name"]: (tensor["shape"], tensor["data"]) for tensor in request["inputs"]}


def test_a_table_without_headings_is_a_matrix(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("5.9, 3.0\n6.1,\n")
    assert tensors_of({"x": read_values(path)}, x=("FP32", [-1, 2])) == {"x": ([2, 2], [5.9, 3.0, 6.1, None])}


def test_headings_that_are_inputs_become_columns_and_others_are_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,age,town,member\n1,41,Bonn,true\n2,28,Kiel,false\n")
    tensors = tensors_of({"": read_values(path)}, age=("INT64", [-1]), town=("BYTES", [-1, 1]), member=("BOOL", [-1]))
    assert tensors == {"age": ([2], [41, 28]), "town": ([2, 1], ["Bonn", "Kiel"]), "member": ([2], [True, False])}


def test_headings_that_are_not_inputs_are_those_of_a_matrix(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("sepal,petal\n5.9,3.0\n")
    assert tensors_of({"": read_values(path)}, X=("FP64", [-1, 2])) == {"X": ([1, 2], [5.9, 3.0])}


def test_numpy_arrays_are_read_by_name_or_as_the_only_input(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(4, dtype=np.float32).reshape(2, 2))
    np.savez(tmp_path / "both.npz", a=np.array([1]), b=np.array([2.5]))
    assert tensors_of({"": read_values(tmp_path / "x.npy")}, x=("FP32", [-1, 2])) == {"x": ([2, 2], [0, 1, 2, 3])}
    tensors = tensors_of({"": read_values(tmp_path / "both.npz")}, a=("INT64", [-1]), b=("FP32", [-1]))
    assert tensors == {"a": ([1], [1]), "b": ([1], [2.5])}


@pytest.mark.parametrize(
    ("shape", "datatype", "pixels", "wanted_shape", "wanted"),
    [
        ([-1, 3, 1, 2], "UINT8", None, [1, 3, 1, 2], [255, 255, 0, 0, 51, 51]),
        ([-1, 2, 1, 3], "FP32", None, [1, 2, 1, 3], [1.0, 0.0, 0.2, 1.0, 0.0, 0.2]),
        ([-1, -1, -1, 3], "FP32", "-1..1", [1, 1, 1, 3], [1.0, -1.0, -0.6]),
    ],
)
def test_a_picture_is_fitted_to_the_models_size_layout_and_range(
    tmp_path: Path, shape: list[int], datatype: str, pixels: str | None, wanted_shape: list[int], wanted: list[float]
) -> None:
    Image.new("RGB", (1, 1), (255, 0, 51)).save(tmp_path / "dot.png")
    found_shape, data = tensors_of({"": read_values(tmp_path / "dot.png", pixels)}, x=(datatype, shape))["x"]
    assert found_shape == wanted_shape
    assert data == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("ragged.csv", b"1,2\n3\n", "rows of 1 to 2 cells"),
        ("empty.csv", b"", "is empty"),
        ("bad.npy", b"nonsense", "contains no arrays"),
        ("bad.json", b"[1", "not JSON"),
        ("bad.bin", b"\xff\xfe\xff", "is not text"),
    ],
)
def test_an_unreadable_file_is_explained(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        read_values(tmp_path / name)


def test_values_that_do_not_fit_the_model_are_explained(tmp_path: Path) -> None:
    (tmp_path / "words.csv").write_text("a\nb\n")
    with pytest.raises(InputError, match="is INT64, and 'b' in the table is not"):
        tensors_of({"a": read_values(tmp_path / "words.csv")}, a=("INT64", [-1]))
    with pytest.raises(InputError, match="select one"):
        tensors_of({"": [1]}, a=("INT64", [-1]), b=("INT64", [-1]))
    (tmp_path / "dot.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="is not a picture"):
        tensors_of({"x": read_values(tmp_path / "dot.png")}, x=("FP32", [-1, 3, 2, 2]))
    with pytest.raises(InputError, match="not the shape of a picture"):
        tensors_of({"x": read_values(tmp_path / "dot.png")}, x=("FP32", [-1, 4]))
