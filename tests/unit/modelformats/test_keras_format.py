"""Parsing .keras files."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from modelformats import InvalidModelError, extract_signature
from support.memory import parse_apart
from support.model_files import DATA, write

REAL = DATA / "keras"


def packed(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def members() -> dict[str, bytes]:
    """The members of the real file."""
    with zipfile.ZipFile(REAL / "sequential.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_functional_model_is_read(tmp_path: Path) -> None:
    signature = extract_signature("Keras", write(tmp_path, "model.keras", (REAL / "functional.keras").read_bytes()))
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [
        ("image", "float32", (-1, 8, 8, 1)),
        ("extra", "float32", (-1, 4)),
    ]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("scores", "float32", (-1, 3))]
    assert signature.operators == {"Concatenate": 1, "Conv2D": 1, "Dense": 1, "Flatten": 1, "InputLayer": 2}
    assert signature.parameters
    assert signature.parameters.bytes_by_dtype == {"float32": 4 * (3 * 3 * 2 + 2 + 76 * 3 + 3)}
    assert (signature.framework, signature.framework_version) == ("Keras", "3.15.1")
    assert signature.details["saved"].startswith("2026-")
    assert signature.unknown == {}


def test_a_sequential_model_is_read(tmp_path: Path) -> None:
    signature = extract_signature("Keras", write(tmp_path, "model.keras", packed(members())))
    assert [(t.name, t.shape) for t in (*signature.inputs, *signature.outputs)] == [
        ("input_layer", (-1, 4)),
        ("activation", (-1, 3)),
    ]
    assert signature.parameters
    assert signature.parameters.count == 15


def test_compressed_weights_are_not_counted(tmp_path: Path) -> None:
    signature = extract_signature("Keras", write(tmp_path, "model.keras", packed(members(), zipfile.ZIP_DEFLATED)))
    assert signature.parameters is None
    assert "compressed" in signature.unknown["parameters"]


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"has no config\.json: save the model with Keras 3"):
        extract_signature("Keras", write(tmp_path, "model.keras", packed({"data.pkl": b""})))


def test_a_configuration_that_decompresses_over_the_limit_is_refused(tmp_path: Path) -> None:
    bomb = packed({"config.json": b" " * 40 * 1024**2}, zipfile.ZIP_DEFLATED)
    outcome = parse_apart("Keras", write(tmp_path, "model.keras", bomb))
    assert outcome.outcome == "InvalidModelError"
    assert outcome.grown_mb < 60


def test_an_endlessly_nested_configuration_is_refused(tmp_path: Path) -> None:
    deep = json.dumps({"class_name": "Sequential"})[:-1] + ', "config": ' + "[" * 100_000
    with pytest.raises(InvalidModelError, match="not a readable Keras model"):
        extract_signature("Keras", write(tmp_path, "model.keras", packed(members() | {"config.json": deep.encode()})))


def test_weights_in_a_type_that_hdf5_lacks_have_the_type_that_keras_records(tmp_path: Path) -> None:
    write(tmp_path, "model.keras", (DATA / "keras" / "bfloat16.keras").read_bytes())
    signature = extract_signature("Keras", tmp_path)
    assert signature.parameters
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (4 * 3 + 3, {"bfloat16": 30})
    assert "parameters" not in signature.unknown
