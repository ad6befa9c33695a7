"""Parsing CatBoost's two file formats."""

import json
from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from support import model_files
from support.model_files import write

BINARY = (model_files.DATA / "catboost" / "iris.cbm").read_bytes()
TEXT = (model_files.DATA / "catboost" / "iris.json").read_bytes()


def changed(directory: Path, **changes: Any) -> Signature:
    """The signature of the real JSON model with some keys replaced."""
    return extract_signature("CatBoost", write(directory, "model.json", json.dumps(json.loads(TEXT) | changes)))


@pytest.mark.parametrize("content", [BINARY, TEXT], ids=["cbm", "json"])
def test_both_files_give_the_same_result(tmp_path: Path, content: bytes) -> None:
    assert detect_format(write(tmp_path, "model", content)) == "CatBoost"
    signature = extract_signature("CatBoost", tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [
        ("sepal_length", "float32", (-1,)),
        ("sepal_width", "float32", (-1,)),
        ("petal_length", "float32", (-1,)),
        ("petal_width", "float32", (-1,)),
        ("colour", "str", (-1,)),
    ]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [
        ("predict", "int64", (-1,)),
        ("predict_proba", "float64", (-1, 3)),
    ]
    assert (signature.framework, signature.framework_version, signature.operators) == (
        "CatBoost",
        "1.2.10",
        {"Tree": 2},
    )
    assert signature.details == {
        "classes": ["0", "1", "2"],
        "feature_names": ["sepal_length", "sepal_width", "petal_length", "petal_width", "colour"],
        "loss": "MultiClass",
        "feature_kinds": {"categorical": 1, "float": 4},
    }


@pytest.mark.parametrize(("bias", "shape"), [([1, [0.5]], (-1,)), ([1, [0, 0]], (-1, 2))], ids=["one", "two"])
def test_a_regression_returns_numbers(tmp_path: Path, bias: list[Any], shape: tuple[int, ...]) -> None:
    signature = changed(tmp_path, model_info={}, scale_and_bias=bias)
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("predict", "float64", shape)]
    assert signature.framework_version is None


def test_a_feature_without_a_name_is_named_by_its_position(tmp_path: Path) -> None:
    features = {
        "float_features": [{"flat_feature_index": 1, "feature_id": ""}],
        "categorical_features": [{"flat_feature_index": 0}],
    }
    assert [t.name for t in changed(tmp_path, features_info=features).inputs] == ["0", "1"]


def test_features_that_are_all_numbers_are_one_table(tmp_path: Path) -> None:
    features = {"float_features": [{"flat_feature_index": 2, "feature_id": "b"}, {"flat_feature_index": 0}]}
    signature = changed(tmp_path, features_info=features)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("input", "float32", (-1, 3))]
    assert signature.details["feature_names"] == ["0", "b"]


def test_a_model_without_trees_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="the file has no trees"):
        changed(tmp_path, oblivious_trees=None)


@pytest.mark.parametrize(
    "content",
    [
        BINARY[:8],
        BINARY[:-1],
        BINARY[:8] + b"\xff" * (len(BINARY) - 8),
        BINARY[:8] + bytes(len(BINARY) - 8),
        b'{"model_info":' + b"[" * 100_000,
    ],
    ids=["magic", "cut-off", "ones", "zeros", "deep"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidModelError, match=r"model\.cbm"):
        extract_signature("CatBoost", write(tmp_path, "model.cbm", content))


@pytest.mark.parametrize(
    ("label", "dtype", "reason"),
    [
        ("Boolean", "bool", None),
        ("Quaternion", None, "its elements are of unknown type Quaternion: newer than this version of Klever"),
    ],
)
def test_classes_have_a_type_or_the_reason_why_not(
    tmp_path: Path, label: str, dtype: str | None, reason: str | None
) -> None:
    notes = {"class_params": {"class_names": ["a", "b"], "class_label_type": label}}
    signature = changed(tmp_path, model_info=notes)
    assert (signature.outputs[0].dtype, signature.unknown.get("predict")) == (dtype, reason)
