"""A deletion is announced exactly once, wherever the process is killed."""

from datetime import timedelta
from pathlib import Path

import pytest

from kleverkit.documents import Buried
from kleverkit.memory_documents import InMemoryDocuments
from kleverproto.documents import Tombstone
from kleverproto.jobs import JobDocument, JobPhase
from support.crashes import Crash, CrashError, CrashingDocuments, CrashingPublisher
from support.jobs import Runner, request

WRITES = 3
"""The tombstone, the event, and the mark that the event is published."""


async def killed_while_deleting(directory: Path, writes: int) -> Runner:
    """A new process after one that was killed during a deletion."""
    crash = Crash()
    documents, publisher = CrashingDocuments[JobDocument](crash), CrashingPublisher(crash)
    runner = Runner(directory, documents, publisher)
    await runner.jobs.run(request(1))
    crash.after(writes)
    try:
        await runner.delete(2)
    except CrashError:
        assert writes < WRITES
    assert crash.restart() is (writes < WRITES)
    return Runner(directory, documents, publisher)


async def announced(runner: Runner) -> bool:
    entry = await runner.documents.find("job-1")
    return isinstance(entry, Buried) and entry.tombstone.announced and runner.published().count("JobDeleted") == 1


@pytest.mark.parametrize("writes", range(WRITES + 1))
async def test_a_redelivery_completes_an_interrupted_deletion(tmp_path: Path, writes: int) -> None:
    runner = await killed_while_deleting(tmp_path, writes)
    await runner.delete(2)
    assert await announced(runner)


@pytest.mark.parametrize("writes", range(1, WRITES + 1))
async def test_the_next_start_completes_a_recorded_deletion(tmp_path: Path, writes: int) -> None:
    runner = await killed_while_deleting(tmp_path, writes)
    await runner.deletions.repair()
    assert await announced(runner)


@pytest.mark.parametrize("writes", range(1, WRITES + 1))
async def test_a_new_request_completes_the_deletion_before_it_starts_the_job_again(tmp_path: Path, writes: int) -> None:
    runner = await killed_while_deleting(tmp_path, writes)
    await runner.jobs.run(request(3))
    assert await runner.is_in(JobPhase.SUCCEEDED)
    assert runner.published().count("JobDeleted") == 1
    await runner.delete(2)
    assert await runner.is_in(JobPhase.SUCCEEDED)


async def test_a_tombstone_is_removed_once_no_request_can_be_late(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    await runner.delete(2)
    await runner.deletions.repair()
    assert await runner.documents.find("job-1") is not None
    runner.now += timedelta(hours=2)
    await runner.deletions.repair()
    assert await runner.documents.find("job-1") is None


async def test_an_unreadable_job_is_left_alone_and_delays_no_other(tmp_path: Path) -> None:
    runner = await killed_while_deleting(tmp_path, 1)
    assert isinstance(runner.documents, InMemoryDocuments)
    runner.documents.spoil("job-2")
    await runner.deletions.repair()
    assert await announced(runner)
    assert runner.deletions.unreadable == {"job-2"}
    (entry,) = (await runner.documents.listing()).unreadable
    await runner.documents.bury(entry.key, Tombstone(announced=True, deleted_at=runner.now), entry.revision)
    await runner.deletions.repair()
    assert runner.deletions.unreadable == frozenset()


@pytest.mark.parametrize("withdraw", ["delete", "cancel"])
async def test_a_request_from_before_its_withdrawal_is_late_even_after_a_bucket_loss(
    tmp_path: Path, withdraw: str
) -> None:
    runner = Runner(tmp_path)
    await runner.jobs.run(request(1))
    await getattr(runner, withdraw)(2)
    after = Runner(tmp_path, withdrawals=runner.withdrawals)  # with a recreated bucket
    await after.jobs.run(request(1))
    assert after.published() == ["JobCancelled"]
    assert await after.documents.find("job-1") is None
    await after.jobs.run(request(3))
    assert await after.is_in(JobPhase.SUCCEEDED)
