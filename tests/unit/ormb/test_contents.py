"""The contents of a model directory: files that could not be exported again are refused by `inspect` and by `save`."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ormb.contents import contents_of
from ormb.errors import InvalidModelDirectoryError
from ormb.inspecting import inspect_directory
from ormb.packing import pack
from support.small_models import adder


def linked(name: str, target: str) -> Callable[[Path], object]:
    return lambda model: (model / name).symlink_to(target)


def cached(model: Path) -> None:
    """A directory as huggingface_hub keeps it: links into `../../blobs`."""
    blobs = model.parent.parent / "hub" / "blobs"
    blobs.mkdir(parents=True)
    (model / "model.onnx").rename(blobs / "aaa")
    (model / "model.onnx").symlink_to("../../hub/blobs/aaa")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            cached,
            r"model\.onnx links to a file outside the model, .*aaa: copy the target to this .*`cp -rL` .*`hf download",
        ),
        (linked("self", "self"), "self links to itself: remove it"),
        (linked("gone", "nothing.bin"), r"gone links to nothing\.bin, which does not exist"),
        (linked("here", "."), "here links to a directory"),
        (linked("up", ".."), "up links to a file outside the model"),
        (lambda model: (model / "notes\\readme.md").write_text("x"), r"readme\.md has a backslash in its name"),
        (lambda model: (model / "a\\b").mkdir(), "has a backslash in its name"),
        (lambda model: Path(os.fsdecode(bytes(model) + b"/\xff.txt")).write_text("x"), "name that is not UTF-8"),
        (lambda model: os.mkfifo(model / "pipe"), "neither a file nor a directory"),
    ],
)
def test_inspect_and_save_refuse_the_same_directories_with_advice(
    tmp_path: Path, spoil: Callable[[Path], object], says: str
) -> None:
    directory = adder(tmp_path / "adder", 1)
    spoil(directory / "model")
    (tmp_path / "archives").mkdir()
    for attempt in (inspect_directory, pack, lambda path: pack(path, tmp_path / "archives")):
        with pytest.raises(InvalidModelDirectoryError, match=says):
            attempt(directory)


def test_the_model_directory_may_be_a_link_with_links_inside(tmp_path: Path) -> None:
    original = adder(tmp_path / "adder", 1)
    (original / "model" / "same.onnx").symlink_to("model.onnx")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "model").symlink_to(original / "model")
    (original / "ormbfile.yaml").write_text("format: Others\n")
    (tmp_path / "linked" / "ormbfile.yaml").write_text("format: Others\n")
    assert pack(tmp_path / "linked").manifest == pack(original).manifest
    assert inspect_directory(tmp_path / "linked").size == inspect_directory(original).size


def test_an_unreadable_directory_is_not_skipped(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        contents_of(tmp_path / "gone")
