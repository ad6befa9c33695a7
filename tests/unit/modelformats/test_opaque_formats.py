"""Formats without a parser: TensorRT engines, and formats that the author declares as Others."""

from pathlib import Path

import pytest

from modelformats import InvalidModelError, detect_format, extract_signature, validate_layout
from support.model_files import write


@pytest.mark.parametrize("file", ["model.plan", "model.engine", "weights"])
def test_an_engine_is_recognised_by_its_first_bytes(tmp_path: Path, file: str) -> None:
    write(tmp_path, file, b"ftrt" + bytes(60))
    assert detect_format(tmp_path) == "TensorRT"
    signature = extract_signature("TensorRT", tmp_path)
    assert (signature.framework, signature.details) == ("TensorRT", {"size": 64})
    assert "read only by TensorRT" in signature.unknown["inputs"]


def test_a_file_that_is_an_engine_only_by_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"model\.plan does not begin as a TensorRT engine"):
        extract_signature("TensorRT", write(tmp_path, "model.plan", b"plan"))


def test_the_files_of_another_model_are_listed(tmp_path: Path) -> None:
    write(tmp_path, "b.bin", b"12")
    write(tmp_path, "a/c.bin", b"345")
    assert detect_format(tmp_path) is None
    signature = extract_signature("Others", tmp_path)
    assert signature.details == {"files": {"b.bin": 2, "a/c.bin": 3}, "file_count": 2, "total_size": 5}
    assert set(signature.unknown) == {"inputs", "outputs", "operators", "parameters", "framework"}


def test_many_files_are_counted_but_not_all_listed(tmp_path: Path) -> None:
    for number in range(1100):
        write(tmp_path, str(number), b"x")
    signature = extract_signature("Others", tmp_path)
    assert (len(signature.details["files"]), signature.details["file_count"]) == (1000, 1100)


def test_a_model_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="there is no file"):
        validate_layout("Others", tmp_path)
