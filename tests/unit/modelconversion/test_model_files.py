"""Parsers, model servers and conversions choose the same model file, or refuse with the same message."""

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import joblib
import pytest

from kleverproto.signatures import Signature
from modelconversion.errors import ConversionError
from modelconversion.pairs import PAIRS, RUNNERS
from modelconversion.workshop import request_for
from modelfiles.recognition import RULES
from modelfiles.selection import FileSelectionError
from modelformats import InvalidModelError, extract_signature
from modelformats.model_files import model_files
from modelformats.scanning import scan_directory
from support import model_files as samples
from support.model_files import write

CONVERTED = {pair.source for pair in PAIRS} | set(RUNNERS)
FORMATS = sorted(CONVERTED | set(RULES))
BY_NAME = {"SavedModel", "MLflow", "CaffeModel", "MXNetParams", "NetDef", "OpenVINO"}
"""Formats that prescribe names, or parts of them."""
UNCERTAIN = {"SKLearn", "GraphDef"}
"""Formats whose files do not all start alike, so that a usual name suffices for a candidate."""

Name = Callable[[PurePosixPath], str]
ODD: dict[str, Name] = {
    "no-suffix": lambda _: "weights",
    "wrong-suffix": lambda _: "model.dat",
    "suffix-of-another-format": lambda usual: f"model{'.txt' if usual.suffix == '.onnx' else '.onnx'}",
    "hidden-copy": lambda _: ".model",
}


def model_in(directory: Path, format_name: str, name: Name | None = None) -> Path:
    """A model whose file has another name. Returns the file."""
    usual, content = samples.of_each_format()[format_name]
    file = directory / (name(PurePosixPath(usual)) if name else usual)
    for other, beside in samples.companions(format_name).items():
        write(directory, str(file.with_suffix(".bin").relative_to(directory)) if other == "tiny.bin" else other, beside)
    write(directory, str(file.relative_to(directory)), content)
    return file


def parsed(format_name: str, directory: Path) -> Signature:
    """The signature that the parser reads from the files, without their names."""
    read = extract_signature(format_name, directory)
    details = {name: value for name, value in read.details.items() if name != "network_file"}
    return read.model_copy(update={"warnings": (), "details": details})


def converted(format_name: str, directory: Path) -> list[Path]:
    """The files that a conversion gets."""
    return [Path(file) for file in request_for(directory, format_name, Signature(), {})["files"]]


def assert_all_take(file: Path, format_name: str, directory: Path, usual: Signature) -> None:
    assert parsed(format_name, directory) == usual
    assert file in model_files(format_name, directory)
    assert file in converted(format_name, directory)
    if format_name in RULES:
        assert RULES[format_name].file(directory) == file


def assert_all_refuse(format_name: str, directory: Path) -> str:
    """Check that all refuse with the same message. Return it."""
    with pytest.raises(InvalidModelError) as refused:
        model_files(format_name, directory)
    sentence = str(refused.value)
    with pytest.raises(InvalidModelError) as unparsed:
        extract_signature(format_name, directory)
    assert sentence in str(unparsed.value)
    with pytest.raises(ConversionError) as unconverted:
        converted(format_name, directory)
    assert (unconverted.value.code, str(unconverted.value)) == ("invalid_model", sentence)
    if format_name in RULES:
        with pytest.raises(FileSelectionError) as unserved:
            RULES[format_name].file(directory)
        assert str(unserved.value) == sentence
    return sentence


@pytest.fixture
def usual(tmp_path: Path) -> Callable[[str], Signature]:
    """The signature of a format's model under its usual name."""

    def of(format_name: str) -> Signature:
        directory = tmp_path / "usual"
        model_in(directory, format_name)
        return parsed(format_name, directory)

    return of


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("format_name", [name for name in FORMATS if name not in BY_NAME])
def test_the_name_of_the_file_does_not_matter(
    directory: Path, usual: Callable[[str], Signature], format_name: str, odd: str
) -> None:
    file = model_in(directory, format_name, ODD[odd])
    write(directory, "README.md", "A model.")
    write(directory, "config.json", "{}")
    assert_all_take(file, format_name, directory, usual(format_name))


@pytest.mark.parametrize("format_name", [name for name in FORMATS if name not in {"SavedModel", "MLflow"}])
def test_the_case_of_a_name_does_not_matter(
    directory: Path, usual: Callable[[str], Signature], format_name: str
) -> None:
    file = model_in(directory, format_name, lambda name: name.name.upper())
    assert_all_take(file, format_name, directory, usual(format_name))


@pytest.mark.parametrize("format_name", [name for name in FORMATS if name not in BY_NAME - {"OpenVINO"}])
def test_another_file_of_the_same_suffix_is_not_the_model(
    directory: Path, usual: Callable[[str], Signature], format_name: str
) -> None:
    file = model_in(directory, format_name)
    write(directory, f"about{file.suffix}", '{"about": "the model"}')
    if format_name in UNCERTAIN:
        assert "found 2: about" in assert_all_refuse(format_name, directory)
    else:
        assert_all_take(file, format_name, directory, usual(format_name))


@pytest.mark.parametrize("suffix", [".json", ".bin", ".dat"])
def test_a_file_with_the_right_content_wins_over_one_with_a_usual_name(
    directory: Path, usual: Callable[[str], Signature], suffix: str
) -> None:
    file = model_in(directory, "XGBoost", lambda _: f"trees{suffix}")
    write(directory, f"metrics{suffix}", '{"rmse": 1}')
    write(directory, "other.bst", "not a model")
    assert_all_take(file, "XGBoost", directory, usual("XGBoost"))


@pytest.mark.parametrize("format_name", [name for name in FORMATS if name not in BY_NAME])
def test_two_candidates_for_the_model_are_reported(directory: Path, format_name: str) -> None:
    model_in(directory, format_name, lambda _: "a")
    model_in(directory, format_name, lambda _: "b.dat")
    assert "found 2: a, b.dat" in assert_all_refuse(format_name, directory)


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_model_in_a_subdirectory_is_refused(directory: Path, format_name: str) -> None:
    model_in(directory / "deep", format_name)
    assert assert_all_refuse(format_name, directory).startswith("there is no ")


@pytest.mark.parametrize("format_name", sorted(BY_NAME))
def test_a_prescribed_file_name_is_required(directory: Path, format_name: str) -> None:
    model_in(directory, format_name, lambda _: "weights")
    assert assert_all_refuse(format_name, directory).startswith("there is no ")


def test_an_empty_directory_and_a_missing_one_are_refused_alike(tmp_path: Path) -> None:
    for format_name in FORMATS:
        assert assert_all_refuse(format_name, tmp_path) == assert_all_refuse(format_name, tmp_path / "nowhere")


def test_every_program_gets_the_files_of_its_format() -> None:
    for format_name in CONVERTED:
        with pytest.raises(InvalidModelError):  # none, if nothing recognises the format's files
            model_files(format_name, Path("nowhere"))


class Hostile:
    """Its pickle runs a command, and names sklearn like that of an estimator."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("true # sklearn",)


@pytest.mark.parametrize("name", ["weights", "model.dat", "model.onnx", "MODEL.JOBLIB", ".hidden"])
@pytest.mark.parametrize("compress", [0, 3])
def test_a_pickle_that_is_loaded_is_scanned_under_any_name(directory: Path, name: str, compress: int) -> None:
    joblib.dump(Hostile(), directory / name, compress=compress)
    if RULES["SKLearn"].is_followed(directory):
        assert scan_directory(directory).verdict == "dangerous"
    else:
        assert compress  # an unrecognised file is not loaded
        assert assert_all_refuse("SKLearn", directory)
