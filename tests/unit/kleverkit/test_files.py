"""Files that are replaced whole or not at all."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kleverkit.files import replace_file


@contextmanager
def no_space_beyond(size: int) -> Iterator[None]:
    """As on a full disk: no file may grow beyond this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_is_replaced_and_its_directory_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "record.json"
    for text in ("old", "new"):
        replace_file(path, text)
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    replace_file(path, "old")
    with no_space_beyond(1024), pytest.raises(OSError, match="File too large"):
        replace_file(path, "new" * 10_000)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
