"""Parsing Keras models in HDF5."""

from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from modelformats.hdf5 import numpy_name
from support.model_files import DATA, write

REAL = DATA / "h5"


def real(directory: Path, name: str) -> Signature:
    return extract_signature("H5", write(directory, "model.h5", (REAL / name).read_bytes()))


def tensors(signature: Signature) -> list[tuple[str, str | None, tuple[int | str, ...] | None]]:
    return [(tensor.name, tensor.dtype, tensor.shape) for tensor in (*signature.inputs, *signature.outputs)]


def test_a_functional_model_of_keras_3_is_read(tmp_path: Path) -> None:
    signature = real(tmp_path, "functional.h5")
    assert tensors(signature) == [
        ("image", "float32", (-1, 8, 8, 1)),
        ("extra", "float32", (-1, 4)),
        ("scores", "float32", (-1, 3)),
    ]
    assert signature.operators == {"Concatenate": 1, "Conv2D": 1, "Dense": 1, "Flatten": 1, "InputLayer": 2}
    assert signature.parameters
    assert signature.parameters.bytes_by_dtype == {"float32": 4 * (3 * 3 * 2 + 2 + 76 * 3 + 3)}
    assert (signature.framework, signature.framework_version) == ("Keras", "3.15.1")
    assert signature.details == {"model": "Functional", "name": "two_inputs", "backend": "tensorflow"}
    assert signature.unknown == {}


@pytest.mark.parametrize(
    ("name", "expected", "weights"),
    [
        ("sequential.h5", [("input_layer", "float32", (-1, 4)), ("activation", "float32", (-1, 3))], 15),
        ("keras2.h5", [("a_input", "float32", (-1, 4)), ("b", "float32", (-1, 2))], 37),
        (
            "keras2_functional.h5",
            [("p", "float32", (-1, 3)), ("q", "float32", (-1, 3)), ("sum", "float32", (-1, 3))],
            0,
        ),
    ],
)
def test_models_of_other_kinds_and_versions_are_read(
    tmp_path: Path, name: str, expected: list[Any], weights: int
) -> None:
    signature = real(tmp_path, name)
    assert tensors(signature) == expected
    assert signature.parameters
    assert signature.parameters.count == weights


def test_weights_alone_are_not_a_model(tmp_path: Path) -> None:
    content = (REAL / "keras2.h5").read_bytes().replace(b"model_config", b"other_config")
    with pytest.raises(InvalidModelError, match=r"save the whole model with model\.save"):
        extract_signature("H5", write(tmp_path, "model.h5", content))
    (tmp_path / "model.h5").rename(tmp_path / "weights")
    assert detect_format(tmp_path) is None


@pytest.mark.parametrize("version", [b"\x04", b"\xff"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, version: bytes) -> None:
    content = (REAL / "keras2.h5").read_bytes()
    with pytest.raises(InvalidModelError, match="does not begin as HDF5 files do"):
        extract_signature("H5", write(tmp_path, "model.h5", content[:8] + version + content[9:]))


def test_weights_in_a_type_that_hdf5_lacks_are_counted_with_their_bytes(tmp_path: Path) -> None:
    signature = real(tmp_path, "bfloat16.h5")
    assert signature.parameters
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (4 * 3 + 3, {"unknown type opaque": 30})
    assert "unknown type opaque" in signature.unknown["parameters"]


def data_type(kind: int, size: int, *properties: int) -> bytes:
    """A data type as HDF5 writes it: class, bit fields, bytes of an element, properties."""
    return bytes([0x10 | kind, 8, 0, 0]) + size.to_bytes(4, "little") + bytes(properties)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (data_type(0, 4), "int32"),
        (data_type(1, 2, *[0] * 5, 8), "bfloat16"),
        (data_type(1, 16, *[0] * 5, 15), "unknown type float128"),
        (data_type(6, 8), "unknown type compound"),
        (data_type(8, 1), "bool"),
        (data_type(8, 4), "unknown type enumeration"),
        (data_type(12, 4), "unknown type class 12"),
        (data_type(3, 9), None),
        (data_type(9, 16), None),
    ],
)
def test_data_types_have_a_name_unless_they_hold_no_numbers(kind: bytes, dtype: str | None) -> None:
    assert numpy_name(kind) == dtype
