"""What is read from models of XGBoost and LightGBM."""

import io
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from modelformats.ubjson import Skipped, load_ubjson
from support.model_files import write

DATA = Path(__file__).parents[2] / "data" / "models"
CLASSIFIERS = [("XGBoost", "iris.json"), ("XGBoost", "iris.ubj"), ("LightGBM", "iris.txt")]


def extracted(directory: Path, name: str, file: str) -> Signature:
    """The signature of one of the real files."""
    shutil.copy(DATA / name.lower() / file, directory)
    return extract_signature(name, directory)


@pytest.mark.parametrize(
    ("name", "file", "dtype", "predicted", "trees"),
    [
        ("XGBoost", "iris.json", "float32", (-1, 3), 6),
        ("XGBoost", "iris.ubj", "float32", (-1, 3), 6),
        ("XGBoost", "regressor.json", "float32", (-1,), 3),
        ("LightGBM", "iris.txt", "float64", (-1, 3), 6),
    ],
)
def test_features_go_in_and_predictions_come_out(
    tmp_path: Path, name: str, file: str, dtype: str, predicted: tuple[int, ...], trees: int
) -> None:
    found = extracted(tmp_path, name, file)
    assert [(t.name, t.dtype, t.shape) for t in found.inputs] == [("X", dtype, (-1, 4))]
    assert [(t.name, t.dtype, t.shape) for t in found.outputs] == [("y", dtype, predicted)]
    assert found.operators == {"Tree": trees}
    assert found.framework == name.lower()


@pytest.mark.parametrize(
    ("name", "file"), [("XGBoost", "iris.json"), ("XGBoost", "iris.ubj"), ("LightGBM", "iris.txt")]
)
def test_objective_classes_and_names_of_features_are_told(tmp_path: Path, name: str, file: str) -> None:
    details = extracted(tmp_path, name, file).details
    assert str(details["objective"]).startswith("multi")
    assert (details["classes"], details["feature_names"]) == (3, ["sl", "sw", "pl", "pw"])


@pytest.mark.parametrize(
    ("name", "file"), [("XGBoost", "iris.json"), ("XGBoost", "iris.ubj"), ("LightGBM", "iris.txt")]
)
def test_they_are_told_from_their_content(tmp_path: Path, name: str, file: str) -> None:
    shutil.copy(DATA / name.lower() / file, tmp_path / "weights")
    assert detect_format(tmp_path) == name


def booster(**changes: Any) -> str:
    document = json.loads((DATA / "xgboost" / "regressor.json").read_text())
    document["learner"].update(changes)
    return json.dumps(document)


def test_a_linear_booster_has_no_trees(tmp_path: Path) -> None:
    write(tmp_path, "model.json", booster(gradient_booster={"name": "gblinear", "model": {"weights": [1.0]}}))
    assert extract_signature("XGBoost", tmp_path).operators == {"Linear": 1}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("{}", "learner", id="no learner"),
        pytest.param(booster(learner_model_param={"num_feature": "-1"}), "num_feature", id="a negative count"),
        pytest.param(b"binf" + bytes(100), "old binary format", id="the binary format of old"),
        pytest.param(b"{L" + struct.pack(">q", 2**60), "too long", id="a huge key"),
        pytest.param(b"{i\x07learner" + b"[" * 5000, "nested too deeply", id="deep"),
    ],
)
def test_what_is_no_xgboost_model_is_an_error_of_the_model(tmp_path: Path, content: str | bytes, says: str) -> None:
    write(tmp_path, "model.json", content)
    with pytest.raises(InvalidModelError, match=says):
        extract_signature("XGBoost", tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("forest\nnum_class=1\n", id="another first line"),
        pytest.param("tree\nversion=v4\n", id="no classes"),
        pytest.param("tree\nnum_class=1\nmax_feature_idx=999999999999\n", id="too many features"),
    ],
)
def test_what_is_no_lightgbm_model_is_an_error_of_the_model(tmp_path: Path, text: str) -> None:
    write(tmp_path, "model.txt", text)
    with pytest.raises(InvalidModelError):
        extract_signature("LightGBM", tmp_path)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"{i\x01aZi\x01bTi\x01c[i\x01i\x02]}", {"a": None, "b": True, "c": [1, 2]}),
        (b"{#i\x01i\x01ad\x3f\x80\x00\x00", {"a": 1.0}),
        (b"[$d#i\x02\x3f\x80\x00\x00\x40\x00\x00\x00", [1.0, 2.0]),
        (b"[$U#I\x01\x00" + bytes(256), Skipped(256)),
        (b"[Si\x02hiCx]", ["hi", "x"]),
    ],
)
def test_ubjson_is_read_but_for_long_arrays_of_numbers(data: bytes, value: Any) -> None:
    assert load_ubjson(io.BytesIO(data)) == value


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"[$U#I\x01\x00" + bytes(255), b"[$T#l\x7f\xff\xff\xff", b"[$U", b"[$Ui", b"[#d\x00\x00\x00\x00"],
)
def test_what_is_no_ubjson_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_ubjson(io.BytesIO(data))
