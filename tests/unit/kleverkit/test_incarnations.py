from pathlib import Path

import pytest

from kleverkit.documents import NEVER
from kleverkit.incarnations import FileMemory, RememberedBucket, Verdict
from kleverkit.memory_documents import InMemoryDocuments
from kleverproto.documents import Tombstone
from kleverproto.jobs import JobDocument
from support.golden_events import NOW

GRAVE = Tombstone[JobDocument](deleted_at=NOW)
Jobs = InMemoryDocuments[JobDocument]


async def remembered(path: Path, writes: int) -> Jobs:
    jobs = Jobs()
    for number in range(writes):
        await jobs.bury(f"job-{number}", GRAVE, NEVER)
    await RememberedBucket(FileMemory(path), jobs).accept()
    return jobs


async def test_a_bucket_that_was_never_seen_counts_as_the_same(tmp_path: Path) -> None:
    assert await RememberedBucket(FileMemory(tmp_path / "jobs.json"), Jobs()).look() is Verdict.SAME


async def test_a_bucket_that_grew_is_the_same_after_a_restart(tmp_path: Path) -> None:
    jobs = await remembered(tmp_path / "jobs.json", 1)
    await jobs.bury("another", GRAVE, NEVER)
    assert await RememberedBucket(FileMemory(tmp_path / "jobs.json"), jobs).look() is Verdict.SAME


async def test_another_bucket_of_the_same_name_is_detected_until_it_is_accepted(tmp_path: Path) -> None:
    await remembered(tmp_path / "jobs.json", 1)
    bucket = RememberedBucket(FileMemory(tmp_path / "jobs.json"), Jobs())
    assert await bucket.look() is Verdict.RECREATED
    assert await bucket.look() is Verdict.RECREATED
    await bucket.accept()
    assert await bucket.look() is Verdict.SAME


async def test_a_bucket_from_a_backup_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    jobs = await remembered(path, 2)
    memory = path.read_text().replace('"last_sequence":2', '"last_sequence":5')
    path.write_text(memory)
    assert await RememberedBucket(FileMemory(path), jobs).look() is Verdict.OLDER


async def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "jobs.json").write_text("{")
    assert await RememberedBucket(FileMemory(tmp_path / "jobs.json"), Jobs()).look() is Verdict.SAME


async def test_a_bucket_recreated_between_check_and_acceptance_is_still_another(tmp_path: Path) -> None:
    jobs = await remembered(tmp_path / "jobs.json", 1)
    bucket = RememberedBucket(FileMemory(tmp_path / "jobs.json"), jobs)
    assert await bucket.look() is Verdict.SAME
    InMemoryDocuments.__init__(jobs)
    await bucket.accept()
    assert await bucket.look() is Verdict.RECREATED


async def test_an_incarnation_that_cannot_be_written_is_kept_in_memory_until_it_can(tmp_path: Path) -> None:
    jobs = await remembered(tmp_path / "home" / "jobs.json", 1)
    home = tmp_path / "home"
    bucket = RememberedBucket(FileMemory(home / "jobs.json"), jobs)
    InMemoryDocuments.__init__(jobs)
    assert await bucket.look() is Verdict.RECREATED
    home.rename(tmp_path / "away")
    home.write_text("in the way")
    with pytest.raises(OSError, match="home"):
        await bucket.accept()
    assert await bucket.look() is Verdict.SAME
    home.unlink()
    await bucket.accept()
    assert await RememberedBucket(FileMemory(home / "jobs.json"), jobs).look() is Verdict.SAME
