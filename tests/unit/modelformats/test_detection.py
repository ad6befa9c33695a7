"""Detecting the format of a directory by content and by name."""

import os
import re
from pathlib import Path

import pytest

from modelformats import (
    KNOWN_FORMATS,
    InvalidModelError,
    UnsupportedFormatError,
    detect_format,
    extract_signature,
    validate_layout,
)
from support import model_files
from support.model_files import write

FORMATS = sorted(model_files.of_each_format())


@pytest.mark.parametrize("name", FORMATS)
def test_a_model_is_recognised_by_its_usual_name(tmp_path: Path, name: str) -> None:
    assert detect_format(model_files.write_model(tmp_path, name)) == name
    validate_layout(name, tmp_path)


@pytest.mark.parametrize("name", ["ONNX", "PMML", "SKLearn", "GGUF"])
def test_a_signature_names_the_format_that_the_files_were_parsed_as(tmp_path: Path, name: str) -> None:
    assert extract_signature(name, model_files.write_model(tmp_path, name)).format == name


@pytest.mark.parametrize("name", ["ONNX", "PMML", "SKLearn", "GraphDef", "H5", "Keras", "TFLite"])
def test_a_model_is_recognised_by_its_content_under_any_name(tmp_path: Path, name: str) -> None:
    _, content = model_files.of_each_format()[name]
    assert detect_format(write(tmp_path, "weights", content)) == name


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("a.caffemodel", "a.prototxt"), "CaffeModel"),
        (("init_net.pb", "predict_net.pb"), "NetDef"),
        (("m-symbol.json", "m-0000.params"), "MXNetParams"),
        (("MLmodel", "model.pkl"), "MLflow"),
        (("a.caffemodel",), None),
        (("notes.txt",), None),
        ((), None),
    ],
)
def test_formats_without_a_parser_are_recognised_by_their_names(
    tmp_path: Path, files: tuple[str, ...], name: str | None
) -> None:
    for file in files:
        write(tmp_path, file, b"x")
    assert detect_format(tmp_path) == name


def test_a_missing_directory_holds_no_format(tmp_path: Path) -> None:
    assert detect_format(tmp_path / "nowhere") is None


def test_an_unknown_format_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError) as failure:
        validate_layout("Fortran", tmp_path)
    assert ", ".join(KNOWN_FORMATS) in str(failure.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"there is no metadata/part-\*"):
        validate_layout("MLlib", write(tmp_path, "metadata", b"x"))


@pytest.mark.parametrize(("name", "file"), [("ONNX", "*.onnx"), ("SavedModel", "saved_model.pb"), ("PMML", "*.pmml")])
def test_a_directory_without_the_file_is_refused_with_its_name(tmp_path: Path, name: str, file: str) -> None:
    for ask in (validate_layout, extract_signature):
        with pytest.raises(InvalidModelError) as failure:
            ask(name, tmp_path)
        assert file in str(failure.value)


@pytest.mark.parametrize(("name", "ending"), [("ONNX", "onnx"), ("PMML", "pmml"), ("SKLearn", "pkl")])
def test_two_candidates_are_named(tmp_path: Path, name: str, ending: str) -> None:
    for stem in "ab":
        write(tmp_path, f"{stem}.{ending}", b"")
    with pytest.raises(InvalidModelError, match=rf"found 2: a\.{ending}, b\.{ending}"):
        extract_signature(name, tmp_path)


def test_two_files_with_unusual_names_are_not_a_model(tmp_path: Path) -> None:
    _, content = model_files.of_each_format()["ONNX"]
    for stem in "ab":
        write(tmp_path, stem, content)
    assert detect_format(tmp_path) is None


@pytest.mark.parametrize("wrong", FORMATS)
@pytest.mark.parametrize("right", FORMATS)
def test_the_files_of_one_format_are_not_treated_as_another(tmp_path: Path, right: str, wrong: str) -> None:
    model_files.write_model(tmp_path, right)
    if right == wrong:
        signature = extract_signature(wrong, tmp_path)
        assert signature.operators or signature.parameters or signature.inputs
        return
    if (right, wrong) == ("SKLearn", "Pickle"):
        return  # the format has one
    with pytest.raises(InvalidModelError) as refused:
        extract_signature(wrong, tmp_path)
    assert re.search(
        rf"ormbfile.yaml declares {wrong}, but .*; the files look like {right}$|expected", str(refused.value)
    )
    assert str(tmp_path) not in str(refused.value)


def test_a_format_without_a_parser_is_reported_with_the_supported_ones(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError, match=", ".join(KNOWN_FORMATS)):
        extract_signature("Unheard", tmp_path)


@pytest.mark.parametrize(
    "text",
    ["sklearn==1.9\n", "A <PMML> document is made by…", "\x08\x08\x12 is how ONNX begins"],
    ids=["requirements", "readme", "bytes"],
)
def test_a_text_about_a_format_is_not_of_that_format(tmp_path: Path, text: str) -> None:
    assert detect_format(write(tmp_path, "notes.txt", text)) is None
    assert detect_format(write(tmp_path, "model.onnx", b"\x08")) == "ONNX"


def test_a_directory_or_a_pipe_with_the_name_of_a_model_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").mkdir()
    os.mkfifo(tmp_path / "model.pmml")
    assert detect_format(tmp_path) is None


def test_an_unreadable_file_has_no_format(tmp_path: Path) -> None:
    (tmp_path / "weights").symlink_to(tmp_path / "nowhere")
    assert detect_format(tmp_path) is None
