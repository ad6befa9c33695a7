"""Parsing LightGBM text models."""

from pathlib import Path

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from support import model_files
from support.model_files import write

MODEL = (model_files.DATA / "lightgbm" / "iris.lgb").read_text()


def extracted(text: str, directory: Path) -> Signature:
    return extract_signature("LightGBM", write(directory, "model.txt", text))


def test_features_classes_and_trees_are_reported(tmp_path: Path) -> None:
    signature = extracted(MODEL, tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("input", "float64", (-1, 4))]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("predict", "float64", (-1, 3))]
    assert (signature.framework, signature.operators) == ("LightGBM", {"Tree": 6})
    assert signature.details == {
        "model_version": "v4",
        "objective": "multiclass",
        "objective_settings": "num_class:3",
        "classes": 3,
        "feature_names": ["sepal_length", "sepal_width", "petal_length", "petal_width"],
    }


def test_one_class_returns_one_number(tmp_path: Path) -> None:
    assert extracted(MODEL.replace("num_class=3", "num_class=1"), tmp_path).outputs[0].shape == (-1,)


def test_a_model_without_the_sizes_of_its_trees_has_no_tree_count(tmp_path: Path) -> None:
    signature = extracted(MODEL.replace("tree_sizes", "other_sizes"), tmp_path)
    assert signature.operators == {}
    assert "does not count its trees" in signature.unknown["operators"]


def test_a_model_without_trees_is_read(tmp_path: Path) -> None:
    header = MODEL.partition("tree_sizes")[0]
    assert extracted(header + "tree_sizes=\n\nend of trees\n", tmp_path).operators == {"Tree": 0}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (MODEL[:200], "ends before its first tree"),
        (MODEL[:2000], "truncated"),
        (MODEL.replace("tree_sizes=443", "tree_sizes=99999"), "truncated"),
        (MODEL.replace("max_feature_idx=3", "max_feature_idx=x"), "no max_feature_idx"),
    ],
    ids=["header", "trees", "sizes", "features"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InvalidModelError, match=reason):
        extracted(text, tmp_path)


def test_a_text_about_trees_is_not_a_model(tmp_path: Path) -> None:
    assert detect_format(write(tmp_path, "notes.txt", "tree\nis a plant, version=v4")) is None
    with pytest.raises(InvalidModelError, match="does not begin as a LightGBM text model"):
        extract_signature("LightGBM", write(tmp_path, "model.lgb", "tree\n"))
