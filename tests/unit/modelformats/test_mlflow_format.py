"""Parsing MLmodel files."""

from pathlib import Path

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature, validate_layout
from support import model_files
from support.model_files import write

MODEL = (model_files.DATA / "mlflow" / "MLmodel").read_text()
UNSIGNED = """flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.6.12}
  sklearn: {pickled_model: model.pkl, sklearn_version: 0.19.1}
"""


def extracted(text: str, directory: Path) -> Signature:
    return extract_signature("MLflow", write(directory, "MLmodel", text))


def test_columns_and_tensors_of_the_signature_are_reported(tmp_path: Path) -> None:
    signature = extracted(MODEL, tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs][-3:] == [
        ("length", "float64", (-1,)),
        ("species", "str", (-1,)),
        ("count", "int64", (-1,)),
    ]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("output-1", "float32", (-1, 2))]


def test_tensors_without_a_name_get_the_names_of_the_server(tmp_path: Path) -> None:
    spec = '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]'
    signature = extracted(f"{UNSIGNED}signature:\n  inputs: '{spec}'\n  outputs: '{spec}'\n", tmp_path)
    assert ([t.name for t in signature.inputs], [t.name for t in signature.outputs]) == (["input-0"], ["output-1"])


def test_aliases_are_resolved(tmp_path: Path) -> None:
    signature = extracted(f"{UNSIGNED}metadata:\n  tags: &id001 [a, b]\n  more: *id001\n", tmp_path)
    assert signature.framework == "sklearn"


@pytest.mark.parametrize("levels", [40, 400])
def test_nested_aliases_take_no_memory(tmp_path: Path, levels: int) -> None:
    lists = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, levels))
    assert extracted(f"a0: &a0 [x]\n{lists}{UNSIGNED}", tmp_path).framework == "sklearn"


def test_the_directory_of_a_logged_model_is_read(tmp_path: Path) -> None:
    write(tmp_path, "artifacts/MLmodel", UNSIGNED)
    assert detect_format(tmp_path) == "MLflow"
    validate_layout("MLflow", tmp_path)
    assert extract_signature("MLflow", tmp_path).framework == "sklearn"


def test_flavours_name_the_framework(tmp_path: Path) -> None:
    signature = extracted(MODEL, tmp_path)
    assert (signature.framework, signature.framework_version) == ("sklearn", "1.9.1")
    assert signature.details == {
        "flavors": ["python_function", "sklearn"],
        "loader_module": "mlflow.sklearn",
        "mlflow_version": "3.17.2",
        "params": [{"name": "top", "type": "long"}],
    }


def test_a_model_without_a_signature_is_reported_as_such(tmp_path: Path) -> None:
    signature = extracted(UNSIGNED, tmp_path)
    assert (signature.inputs, signature.outputs, signature.framework_version) == ((), (), "0.19.1")
    assert "logged without a signature" in signature.unknown["inputs"]


def test_a_pickle_of_another_release_has_a_warning(tmp_path: Path) -> None:
    (warning,) = extracted(UNSIGNED, tmp_path).warnings
    assert "saved by scikit-learn 0.19.1" in warning
    assert extracted(MODEL, tmp_path).warnings == ()


def test_a_directory_with_other_models_is_mlflows(tmp_path: Path) -> None:
    write(tmp_path, "model.xgb", (model_files.DATA / "xgboost" / "iris.ubj").read_bytes())
    assert detect_format(write(tmp_path, "MLmodel", UNSIGNED)) == "MLflow"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1", "has no flavors"),
        ("a: &x {k: 1}\nb: {<<: [*x, *x]}", "has merge keys or nests deeply"),
        ("a: " + "[" * 200 + "]" * 200, "has merge keys or nests deeply"),
        ("a: " + "[" * 100_000, "has merge keys or nests deeply"),
        ("a: !!python/object/apply:os.system [id]", "not a readable MLmodel file"),
        ("flavors: {a: 1}\nsignature: {inputs: '[{'}", "not a readable MLmodel file"),
        ("#" * 2_000_000, "larger than 1 MB"),
    ],
    ids=["no-flavours", "merges", "deep", "deeper", "code", "bad-json", "large"],
)
def test_content_that_no_mlmodel_has_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InvalidModelError, match=reason):
        extracted(text, tmp_path)


def test_columns_without_a_type_have_a_reason(tmp_path: Path) -> None:
    columns = '[{"name": "a", "type": "array"}, {"name": "b", "type": "quaternion"}, {"name": "c", "type": "long"}]'
    signature = extracted(f"{UNSIGNED}signature:\n  inputs: '{columns}'\n", tmp_path)
    assert [tensor.dtype for tensor in signature.inputs] == [None, None, "int64"]
    assert {name: reason for name, reason in signature.unknown.items() if name in "abc"} == {
        "a": "a column of array, whose values do not have one type",
        "b": "its elements are of unknown type quaternion: newer than this version of Klever",
    }
