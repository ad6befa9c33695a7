"""A jobrunner's view of the jobs of others: the time since their last write, and where they run."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from klever_jobrunner.service.monitor import JobMonitor
from kleverkit.documents import Change, Snapshot, Stored
from kleverkit.memory_documents import InMemoryDocuments
from kleverproto.documents import Tombstone
from kleverproto.jobs import JobDocument, JobKind, JobPhase, JobStatus
from support.jobs import NOW, request
from support.waiting import eventually


def job(name: str = "job-1", *, phase: JobPhase = JobPhase.RUNNING, runner: str = "two") -> JobDocument:
    status = JobStatus(phase=phase, runner=runner, attempts=1)
    return JobDocument(id=name, spec=request().spec, status=status, created_at=NOW, updated_at=NOW)


class Clock:
    """A monotonic clock in seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Scripted(InMemoryDocuments[JobDocument]):
    """A bucket that reports scripted changes."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: asyncio.Queue[Snapshot[JobDocument] | Change[JobDocument]] = asyncio.Queue()

    async def changes(self) -> AsyncGenerator[Snapshot[JobDocument] | Change[JobDocument], None]:
        """See `Documents`."""
        while True:
            yield await self.reports.get()

    async def snapshot(self, *stored: Stored[JobDocument]) -> None:
        """Report everything, as after a lost connection."""
        self.reports.put_nowait(Snapshot(stored, await self.incarnation()))


class Rig:
    """A monitor that follows a bucket."""

    def __init__(self) -> None:
        self.documents, self.clock = Scripted(), Clock()
        self.monitor = JobMonitor(self.documents, self.clock)
        self.received: list[str] = []
        self.monitor.listen(lambda key, _known: self.received.append(key))
        self.loop = asyncio.create_task(self.monitor.run())

    async def report(self, name: str, document: JobDocument | None, revision: int) -> None:
        """Report a write and wait until it was received."""
        tombstone = Tombstone[JobDocument](deleted_at=NOW) if document is None else None
        self.documents.reports.put_nowait(Change(name, document, revision, tombstone))
        number = len(self.received) + 1
        await eventually(lambda: self.has_received(number))

    async def has_received(self, number: int) -> bool:
        """Return whether this many writes were received."""
        return len(self.received) >= number

    async def is_followed(self, ages: dict[str, float]) -> bool:
        """Return whether these jobs are followed with these ages."""
        return self.ages() == ages

    def ages(self) -> dict[str, float]:
        """The time since the last write of each job."""
        return {each.document.id: self.monitor.age_of(each) for each in self.monitor.unfinished()}


@pytest.fixture
async def rig() -> AsyncGenerator[Rig, None]:
    rig = Rig()
    yield rig
    rig.loop.cancel()


async def test_a_job_is_as_old_as_its_last_write(rig: Rig) -> None:
    await rig.report("job-1", job(), 1)
    rig.clock.now += 7
    assert rig.ages() == {"job-1": 7}
    await rig.report("job-1", job(), 2)
    rig.clock.now += 2
    assert rig.ages() == {"job-1": 2}
    assert rig.monitor.age(Stored("job-1", job(), 2)) == 2
    assert rig.monitor.age(Stored("job-1", job(), 3)) == 0  # written since then


async def test_the_time_without_nats_counts_for_no_claim(rig: Rig) -> None:
    stored = Stored("job-1", job(), 1)
    await rig.report("job-1", stored.document, 1)
    rig.clock.now += 60
    await rig.documents.snapshot(stored)
    await eventually(lambda: rig.is_followed({"job-1": 0}))


async def test_a_completed_or_deleted_job_is_not_followed(rig: Rig) -> None:
    for name, end in (("job-1", job("job-1", phase=JobPhase.SUCCEEDED)), ("job-2", None)):
        await rig.report(name, job(name), 1)
        await rig.report(name, end, 2)
    assert rig.ages() == {}


async def test_a_job_missing_from_a_new_bucket_is_not_followed(rig: Rig) -> None:
    await rig.report("job-1", job(), 1)
    await rig.documents.snapshot()
    await eventually(lambda: rig.is_followed({}))


async def test_a_late_report_does_not_replace_a_write_of_this_process(rig: Rig) -> None:
    rig.monitor.observe(Stored("job-1", job(phase=JobPhase.PENDING), 5))
    rig.documents.reports.put_nowait(Change("job-1", job(), 4))
    await rig.report("job-2", job("job-2"), 6)
    phases = {each.document.id: each.document.status.phase for each in rig.monitor.unfinished()}
    assert phases == {"job-1": JobPhase.PENDING, "job-2": JobPhase.RUNNING}


async def test_the_jobs_that_others_run_are_counted_by_project(rig: Rig) -> None:
    await rig.report("job-1", job("job-1"), 1)
    await rig.report("job-2", job("job-2", runner="one"), 2)
    await rig.report("job-3", job("job-3", phase=JobPhase.PENDING), 3)
    assert rig.monitor.running(JobKind.EXTRACT, except_by="one") == {"library": 1}
    assert rig.monitor.running(JobKind.CONVERT, except_by="one") == {}


async def test_a_write_wakes_its_waiters(rig: Rig) -> None:
    waiting = asyncio.create_task(rig.monitor.wait_for_write("job-1", within=3600))
    await asyncio.wait({waiting}, timeout=0)
    await rig.report("job-2", job("job-2"), 1)
    assert not waiting.done()
    await rig.report("job-1", job(), 2)
    await asyncio.wait_for(waiting, 10)
