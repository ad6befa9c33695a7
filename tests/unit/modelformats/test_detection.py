"""Which format a directory holds, by content and by name."""

from pathlib import Path

import pytest

from modelformats import KNOWN_FORMATS, InvalidModelError, detect_format, supported_formats, validate_layout
from support import model_files
from support.model_files import write


@pytest.mark.parametrize("name", supported_formats())
def test_a_model_is_known_by_its_usual_name(tmp_path: Path, name: str) -> None:
    file, content = model_files.of_each_format()[name]
    assert detect_format(write(tmp_path, file, content)) == name
    validate_layout(name, tmp_path)


@pytest.mark.parametrize("name", ["ONNX", "PMML", "SKLearn"])
def test_a_model_is_known_by_its_content_under_any_name(tmp_path: Path, name: str) -> None:
    _, content = model_files.of_each_format()[name]
    assert detect_format(write(tmp_path, "weights", content)) == name


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("a.caffemodel", "a.prototxt"), "CaffeModel"),
        (("init_net.pb", "predict_net.pb"), "NetDef"),
        (("m-symbol.json", "m-0000.params"), "MXNetParams"),
        (("MLmodel", "model.pkl"), "MLflow"),
        (("m.h5",), "H5"),
        (("m.pt",), "TorchScript"),
        (("m.xgboost",), "XGBoost"),
        (("a.caffemodel",), None),
        (("notes.txt",), None),
        ((), None),
    ],
)
def test_formats_that_are_not_parsed_are_known_by_their_names(
    tmp_path: Path, files: tuple[str, ...], name: str | None
) -> None:
    for file in files:
        write(tmp_path, file, b"x")
    assert detect_format(tmp_path) == name


def test_a_directory_that_is_not_there_holds_no_format(tmp_path: Path) -> None:
    assert detect_format(tmp_path / "nowhere") is None


def test_a_format_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError) as failure:
        validate_layout("Onyx", tmp_path)
    assert ", ".join(KNOWN_FORMATS) in str(failure.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"format CaffeModel wants \*\.caffemodel, \*\.prototxt"):
        validate_layout("CaffeModel", write(tmp_path, "a.caffemodel", b"x"))
