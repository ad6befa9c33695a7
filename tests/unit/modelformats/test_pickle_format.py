"""Pickles of plain objects, and skops files."""

import collections
import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest

from modelformats import InvalidModelError, detect_format, extract_signature
from support import model_files
from support.model_files import DATA, write


def test_any_object_is_named(tmp_path: Path) -> None:
    write(tmp_path, "model.pkl", pickle.dumps({"weights": [1, 2], "bias": collections.Counter("a")}))
    assert detect_format(tmp_path) == "Pickle"
    signature = extract_signature("Pickle", tmp_path)
    assert (signature.details["class"], signature.details["keys"], signature.details["tensors"]) == (
        "dict",
        ["weights", "bias"],
        0,
    )
    assert signature.parameters is None
    assert set(signature.unknown) == {"inputs", "outputs", "operators", "parameters"}


def test_the_framework_of_an_estimator_is_sklearn(tmp_path: Path) -> None:
    assert detect_format(write(tmp_path, "model.pkl", pickle.dumps(model_files.classifier()))) == "SKLearn"


def test_skops_gives_the_same_result_as_a_pickle_of_the_estimator(tmp_path: Path) -> None:
    write(tmp_path, "anything", (DATA / "skops" / "pipeline.skops").read_bytes())
    assert detect_format(tmp_path) == "Skops"
    signature = extract_signature("Skops", tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("input", None, (-1, 4))]
    assert [(t.name, t.dtype) for t in signature.outputs] == [("predict", "int64"), ("predict_proba", "float64")]
    assert signature.operators == {"LogisticRegression": 1, "Pipeline": 1, "StandardScaler": 1}
    assert (signature.framework, signature.framework_version) == ("scikit-learn", "1.9.1")
    assert (signature.details["classes"], signature.details["skops_version"]) == ([0, 1, 2], "0.16.0")


def test_labels_that_skops_writes_as_objects_are_reported(tmp_path: Path) -> None:
    def text(value: str) -> dict[str, str]:
        return {"__loader__": "JsonNode", "content": json.dumps(value)}

    labels = {"__loader__": "NdArrayNode", "type": "json", "content": [text("no"), text("yes")]}
    content = {"__loader__": "DictNode", "content": {"classes_": labels}}
    estimator = {"__module__": "sklearn.linear_model", "__class__": "LogisticRegression", "content": content}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("schema.json", json.dumps({"__loader__": "ObjectNode", **estimator}))
    signature = extract_signature("Skops", write(tmp_path, "m.skops", made.getvalue()))
    assert (signature.outputs[0].dtype, signature.details["classes"]) == ("str", ["no", "yes"])
    assert [(t.name, t.shape) for t in signature.outputs][1:] == [("predict_proba", (-1, 2))]


@pytest.mark.parametrize(
    "schema",
    [
        "[]",
        json.dumps({"__loader__": "NdArrayNode", "type": "numpy", "file": "none.npy"}),
        '{"__loader__": "ListNode", "content": [' * 300 + "1" + "]}" * 300,
    ],
    ids=["list", "no-file", "deep"],
)
def test_an_invalid_schema_is_refused(tmp_path: Path, schema: str) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("schema.json", schema)
    with pytest.raises(InvalidModelError, match="not a readable skops file"):
        extract_signature("Skops", write(tmp_path, "m.skops", made.getvalue()))


@pytest.mark.parametrize("content", [b"configuration of a device", b"[1, 2]", b"(x)", b"\x80\x00\x01\x02"])
def test_a_bin_file_that_only_starts_like_an_old_pickle_is_not_one(tmp_path: Path, content: bytes) -> None:
    assert detect_format(write(tmp_path, "model.bin", content)) != "Pickle"


def test_a_bin_file_of_pytorch_is_a_pickle(tmp_path: Path) -> None:
    write(tmp_path, "pytorch_model.bin", (DATA / "pickle" / "state.pt").read_bytes())
    assert detect_format(tmp_path) == "Pickle"
    write(tmp_path, "pytorch_model.bin", (DATA / "pickle" / "legacy.pth").read_bytes())
    assert detect_format(tmp_path) == "Pickle"
