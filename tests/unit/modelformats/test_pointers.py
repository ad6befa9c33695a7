"""Pointer files that Git extensions leave instead of weights."""

from pathlib import Path

import pytest

from modelformats import InvalidModelError, detect_format, extract_signature, refuse_pointers
from support import model_files
from support.model_files import write

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
ANNEX = "/annex/objects/SHA256E-s1048576--0f5d.onnx\n"
XET = "# xet version 0\nfilesize = 12345\nhash = '0f5d'\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (LFS, r"model\.onnx is a pointer of Git LFS.*`git lfs pull`"),
        (ANNEX, r"model\.onnx is a pointer of git-annex.*`git annex get \.`"),
        (XET, r"model\.onnx is a pointer of Xet.*`hf download`"),
    ],
)
def test_a_pointer_instead_of_the_model_is_reported_with_the_command_that_fetches_it(
    tmp_path: Path, content: str, expected: str
) -> None:
    write(tmp_path, "model.onnx", content)
    with pytest.raises(InvalidModelError, match=expected):
        extract_signature("ONNX", tmp_path)
    with pytest.raises(InvalidModelError, match=expected):
        refuse_pointers(tmp_path)


def test_a_link_to_data_that_git_annex_has_not_fetched_is_reported(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").symlink_to("../.git/annex/objects/x0/SHA256E-s9--1/SHA256E-s9--1.onnx")
    with pytest.raises(InvalidModelError, match=r"model\.onnx is a pointer of git-annex"):
        refuse_pointers(tmp_path)


def test_a_pointer_among_the_shards_is_the_reported_reason(tmp_path: Path) -> None:
    write(tmp_path, "a.safetensors", (model_files.DATA / "safetensors" / "model.safetensors").read_bytes())
    write(tmp_path, "b.safetensors", LFS)
    with pytest.raises(InvalidModelError, match=r"^b\.safetensors is a pointer of Git LFS"):
        extract_signature("SafeTensors", tmp_path)


def test_a_pointer_that_parsing_does_not_need_is_a_warning(tmp_path: Path) -> None:
    model_files.write_model(tmp_path, "ONNX")
    write(tmp_path, "images/plot.png", LFS)
    (warning,) = extract_signature("ONNX", tmp_path).warnings
    assert warning.startswith("images/plot.png is a pointer of Git LFS")


def test_many_pointers_are_counted(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path, f"{number}.bin", LFS)
    with pytest.raises(InvalidModelError, match=r"^0\.bin, 1\.bin, 2\.bin and 2 more are pointers of Git LFS"):
        refuse_pointers(tmp_path)


def test_files_that_only_mention_pointers_are_not_pointers(tmp_path: Path) -> None:
    write(tmp_path, "README.md", f"Pointers look so:\n\n{LFS}")
    write(tmp_path, "large.txt", LFS + "x" * 2000)
    (tmp_path / "gone").symlink_to("nowhere")
    refuse_pointers(tmp_path)


def test_a_pointer_under_an_unknown_name_is_not_treated_as_a_model(tmp_path: Path) -> None:
    assert detect_format(write(tmp_path, "weights", LFS)) is None
