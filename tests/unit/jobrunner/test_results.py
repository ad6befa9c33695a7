"""Kept results: found whole or not at all, and no more of them than fit."""

import os
from pathlib import Path

import pytest

from klever_jobrunner.results import UNFINISHED, Results
from kleverproto.conversions import ConversionRecord, Verification

RECORD = ConversionRecord(
    source_format="H5", target_format="ONNX", steps=(), verification=Verification(verified=True), seconds=1.5
)


def made(directory: Path, size: int = 10) -> Path:
    (directory / "model").mkdir(parents=True)
    (directory / "model" / "model.onnx").write_bytes(b"x" * size)
    return directory


def test_a_kept_result_is_found_with_its_record(tmp_path: Path) -> None:
    results = Results(tmp_path / "kept", 10_000)
    assert results.find("key") is None
    kept = results.keep("key", made(tmp_path / "result"), RECORD)
    assert results.find("key") == kept
    assert (kept.directory / "model" / "model.onnx").exists()
    assert not (tmp_path / "result").exists()


def test_a_result_without_its_record_is_none(tmp_path: Path) -> None:
    results = Results(tmp_path / "kept", 10_000)
    kept = results.keep("key", made(tmp_path / "result"), RECORD)
    (kept.directory.parent / "record.json").write_text("{")
    assert results.find("key") is None
    assert results.keep("key", made(tmp_path / "again"), RECORD) == kept


def test_a_result_that_another_job_may_be_pushing_stays(tmp_path: Path) -> None:
    results = Results(tmp_path / "kept", 10_000)
    kept = results.keep("key", made(tmp_path / "result", 10), RECORD)
    assert results.keep("key", made(tmp_path / "again", 20), RECORD) == kept
    assert (kept.directory / "model" / "model.onnx").stat().st_size == 10


def test_a_result_that_could_not_be_kept_leaves_nothing_behind(tmp_path: Path) -> None:
    results = Results(tmp_path / "kept", 10_000)
    with pytest.raises(OSError, match="No such file"):
        results.keep("key", tmp_path / "nothing", RECORD)
    assert results.find("key") is None
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_a_killed_process_has_left_is_no_result_and_removed_at_start(tmp_path: Path) -> None:
    results = Results(tmp_path / "kept", 10_000)
    results.keep("key", made(tmp_path / "result"), RECORD)
    left = tmp_path / "kept" / f"{UNFINISHED}1"
    made(left / "result", 100_000)
    results.keep("other", made(tmp_path / "other"), RECORD)
    assert results.find("key") is not None  # it did not have to make room
    results.clean()
    assert not left.exists()
    assert results.find("key") is not None


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    results = Results(tmp_path / "kept", 2500)
    for age, key in ((30, "old"), (20, "older-but-used")):
        kept = results.keep(key, made(tmp_path / key, 1000), RECORD)
        os.utime(kept.directory.parent, (age, age))
    results.find("old")
    os.utime(tmp_path / "kept" / "old", (40, 40))
    results.keep("new", made(tmp_path / "new", 1000), RECORD)
    assert results.find("old") is not None
    assert results.find("older-but-used") is None
    assert results.find("new") is not None


def test_the_newest_result_is_kept_whatever_its_size(tmp_path: Path) -> None:
    results = Results(tmp_path / "kept", 10)
    results.keep("small", made(tmp_path / "small"), RECORD)
    results.keep("large", made(tmp_path / "large", 1000), RECORD)
    assert results.find("small") is None
    assert results.find("large") is not None
