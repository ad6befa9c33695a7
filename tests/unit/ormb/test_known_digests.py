"""Unchanged files are not hashed again; files that may have changed are."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ormb.digest import digest_file
from ormb.known_digests import DIRECTORY, WORTH_KEEPING, KnownDigests, forget_vanished

WRONG = "sha256:" + "0" * 64


def later() -> float:
    """A clock for which all files were last changed long ago."""
    return time.time() + 60


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / DIRECTORY


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "m" / "model" / "weights.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"w" * WORTH_KEEPING)
    return path


def hash_once(store: Path, weights: Path, clock: Callable[[], float] = later) -> str:
    known = KnownDigests(store, weights.parent.parent, clock=clock)
    digest = known.digest(weights)
    known.keep()
    return digest


def corrupt_digests(store: Path) -> None:
    """Replace the stored digests by wrong ones."""
    [document] = store.iterdir()
    content = json.loads(document.read_text())
    for entry in content["files"].values():
        entry[-1] = WRONG
    document.write_text(json.dumps(content))


def test_an_unchanged_file_is_not_read_again(store: Path, weights: Path) -> None:
    assert hash_once(store, weights) == digest_file(weights)
    corrupt_digests(store)
    assert hash_once(store, weights) == WRONG


def rewritten(path: Path) -> None:
    path.write_bytes(b"x" * WORTH_KEEPING)


def rewritten_with_its_old_time(path: Path) -> None:
    status = path.stat()
    rewritten(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced(path: Path) -> None:
    shutil.copy2(path, path.with_name("other"))
    path.with_name("other").replace(path)


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"w")


@pytest.mark.parametrize("change", [rewritten, rewritten_with_its_old_time, replaced, grown])
def test_a_changed_file_is_hashed_again(store: Path, weights: Path, change: Callable[[Path], None]) -> None:
    hash_once(store, weights)
    corrupt_digests(store)
    change(weights)
    assert hash_once(store, weights) == digest_file(weights)


def test_a_newly_written_file_is_not_trusted(store: Path, weights: Path) -> None:
    hash_once(store, weights, time.time)
    assert not store.exists()


def test_small_files_are_not_kept(store: Path, weights: Path) -> None:
    weights.write_bytes(b"small")
    assert hash_once(store, weights) == digest_file(weights)
    assert not store.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"files": 1}', '{"files": {"model/weights.bin": 3}}'])
def test_a_damaged_document_counts_as_none(store: Path, weights: Path, text: str) -> None:
    hash_once(store, weights)
    [document] = store.iterdir()
    document.write_text(text)
    assert hash_once(store, weights) == digest_file(weights)


def test_an_unwritable_store_is_not_an_error(store: Path, weights: Path) -> None:
    store.write_text("a file, where the directory should be")
    assert hash_once(store, weights) == digest_file(weights)


def test_only_digests_of_vanished_directories_are_dropped(store: Path, weights: Path, tmp_path: Path) -> None:
    hash_once(store, weights)
    assert forget_vanished(store) == 0
    shutil.rmtree(tmp_path / "m")
    assert forget_vanished(store) > 0
    assert list(store.iterdir()) == []
