"""Parsing the three XGBoost formats."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from support import model_files
from support.model_files import write

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def real(file: str, directory: Path) -> Path:
    shutil.copy(model_files.DATA / "xgboost" / file, directory)
    return directory


def extracted(directory: Path, **changes: Any) -> Signature:
    """The signature of the real JSON model with parts of its learner replaced."""
    model = json.loads((model_files.DATA / "xgboost" / "iris.json").read_text())
    model["learner"] |= changes
    return extract_signature("XGBoost", write(directory, "model.json", json.dumps(model)))


@pytest.mark.parametrize(
    ("file", "encoding", "version", "names", "trees"),
    [
        ("iris.json", "JSON", "3.2.0", NAMES, 6),
        ("iris.ubj", "UBJSON", "3.2.0", NAMES, 6),
        ("legacy.bst", "binary", "2.1.0", [], 3),
    ],
)
def test_each_encoding_gives_the_same_result(
    tmp_path: Path, file: str, encoding: str, version: str, names: list[str], trees: int
) -> None:
    signature = extract_signature("XGBoost", real(file, tmp_path))
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("input", "float32", (-1, 4))]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("predict", "float32", (-1, 3))]
    assert (signature.operators, signature.framework, signature.framework_version) == (
        {"Tree": trees},
        "XGBoost",
        version,
    )
    assert (signature.details["encoding"], signature.details["feature_names"]) == (encoding, names)
    assert (signature.details["objective"], signature.details["booster"]) == ("multi:softprob", "gbtree")


@pytest.mark.parametrize("file", ["iris.json", "iris.ubj", "legacy.bst"])
def test_a_file_is_recognised_by_its_content_under_any_name(tmp_path: Path, file: str) -> None:
    write(tmp_path, "model.bin", (model_files.DATA / "xgboost" / file).read_bytes())
    assert detect_format(tmp_path) == "XGBoost"
    assert extract_signature("XGBoost", tmp_path).inputs


def test_the_class_itself_is_one_number(tmp_path: Path) -> None:
    assert extracted(tmp_path, objective={"name": "multi:softmax"}).outputs[0].shape == (-1,)


def param(**changes: str) -> dict[str, str]:
    return {"num_feature": "4", "num_class": "0", "num_target": "1"} | changes


@pytest.mark.parametrize(
    ("shape", "objective", "output"),
    [
        (param(num_target="3"), "reg:squarederror", (-1, 3)),
        (param(num_target="2"), "binary:logistic", (-1, 2)),
        (param(num_target="3"), "reg:quantileerror", (-1, 3)),
        (param(), "reg:squarederror", (-1,)),
        (param(num_class="3"), "multi:softprob", (-1, 3)),
        (param(num_class="3"), "multi:softmax", (-1,)),
        ({"num_feature": "4"}, "reg:squarederror", (-1,)),
    ],
)
def test_each_target_has_a_column(
    tmp_path: Path, shape: dict[str, str], objective: str, output: tuple[int, ...]
) -> None:
    signature = extracted(tmp_path, learner_model_param=shape, objective={"name": objective})
    assert signature.outputs[0].shape == output


def test_the_old_binary_format_lists_its_targets_too(tmp_path: Path) -> None:
    content = bytearray((model_files.DATA / "xgboost" / "legacy.bst").read_bytes())
    content[12:16], content[32:36] = (0).to_bytes(4, "little"), (3).to_bytes(4, "little")
    assert extract_signature("XGBoost", write(tmp_path, "m.bst", bytes(content))).outputs[0].shape == (-1, 3)


@pytest.mark.parametrize(
    ("booster", "operators"),
    [
        ({"name": "dart", "gbtree": {"model": {"trees": [{}, {}]}}}, {"Tree": 2}),
        ({"name": "gblinear", "model": {"weights": [1, 2]}}, {"Linear": 1}),
    ],
    ids=["dart", "gblinear"],
)
def test_other_boosters_are_counted(tmp_path: Path, booster: dict[str, Any], operators: dict[str, int]) -> None:
    assert extracted(tmp_path, gradient_booster=booster).operators == operators


@pytest.mark.parametrize(
    "changes",
    [
        {"gradient_booster": {"name": "gbtree"}},
        {"gradient_booster": []},
        {"learner_model_param": {"num_feature": "-1"}},
    ],
    ids=["no-trees", "no-booster", "no-features"],
)
def test_a_learner_without_its_parts_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidModelError, match=r"is it a model|is the file complete"):
        extracted(tmp_path, **changes)


@pytest.mark.parametrize(
    "content",
    [
        b"{" * 1000,
        b"{L" + b"\xff" * 8,
        b"{L" + b"\x7f" * 8,
        b"{U\x01a[$d#L" + b"\x7f" * 8,
        b"{U\x01a[$Z#L" + b"\x7f" * 8,
        b"{U\x01a" + b"[" * 1000,
        b"{U\x01aS" + b"l\x7f\xff\xff\xff",
        b'{"learner":' + b"[" * 100_000,
    ],
    ids=["braces", "negative", "long-key", "long-array", "array-of-nothing", "deep", "long-text", "deep-json"],
)
def test_hostile_values_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidModelError, match=r"model\.xgboost"):
        extract_signature("XGBoost", write(tmp_path, "model.xgboost", content))


def test_a_large_json_file_is_refused_unread_with_advice(tmp_path: Path) -> None:
    with (write(tmp_path, "model.xgboost", b'{"learner":') / "model.xgboost").open("ab") as holes:
        holes.truncate(10 * 1024**3)
    with pytest.raises(InvalidModelError, match=r"save it as \.ubj"):
        extract_signature("XGBoost", tmp_path)
