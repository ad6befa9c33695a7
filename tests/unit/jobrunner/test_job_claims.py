"""Two jobrunners with one bucket: one of them runs a job, and the other takes over when that one has died."""

import asyncio
from pathlib import Path

import pytest

from kleverkit.documents import Documents, mutate
from kleverkit.memory_documents import InMemoryDocuments
from kleverproto.jobs import JobDocument, JobPhase
from support.jobs import Runner, request
from support.waiting import eventually


class Pair:
    """Two jobrunners, the first of which has started a job."""

    def __init__(self, directory: Path, *, lapse_seconds: float = 30.0) -> None:
        self.documents: Documents[JobDocument] = InMemoryDocuments[JobDocument]()
        self.first, self.second = (
            Runner(directory, self.documents, name=name, lapse_seconds=lapse_seconds) for name in ("one", "two")
        )
        self.first.executor.gate.clear()

    async def begin(self) -> "asyncio.Task[None]":
        """Start a job on the first jobrunner."""
        work = self.first.start(request(1))
        await self.first.executor.started.wait()
        return work


async def test_a_second_jobrunner_waits_for_the_result_of_the_first(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    works = [await pair.begin(), pair.second.start(request(2))]
    revision = (await pair.documents.get("job-1")).revision  # type: ignore[union-attr]
    await eventually(lambda: _is_renewed(pair.documents, revision + 3))
    pair.first.executor.gate.set()
    await asyncio.gather(*works)
    assert pair.second.executor.calls == []
    assert pair.second.published() == ["JobCompleted"]


async def test_a_second_jobrunner_takes_over_a_job_without_a_heartbeat(tmp_path: Path) -> None:
    pair = Pair(tmp_path, lapse_seconds=0.1)
    work = await pair.begin()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await pair.second.jobs.run(request(2))
    job = await pair.second.job()
    assert (job.status.phase, job.status.attempts, job.status.runner) == (JobPhase.SUCCEEDED, 2, "two")


async def test_a_restarted_jobrunner_resumes_its_job_at_once(tmp_path: Path) -> None:
    pair = Pair(tmp_path, lapse_seconds=3600)
    work = await pair.begin()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    again = Runner(tmp_path, pair.documents, name="one")
    await again.jobs.run(request(1))
    assert await again.is_in(JobPhase.SUCCEEDED)


async def test_a_restarted_jobrunner_resumes_a_heavy_job_at_once_despite_a_new_request(tmp_path: Path) -> None:
    documents = InMemoryDocuments[JobDocument]()
    before = Runner(tmp_path, documents, name="one", slots=1, lapse_seconds=3600)
    before.executor.gate.clear()
    left = before.start(request(1, job="left"))
    await before.executor.started.wait()
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    again = Runner(tmp_path, documents, name="one", slots=1, lapse_seconds=3600)
    again.executor.gate.clear()
    again.follow()
    first = again.start(request(2, job="first"))
    await again.executor.started.wait()
    resumed = again.start(request(3, job="left"))  # a write, while it waits for the slot
    await eventually(lambda: _is_requested(again, "left", 3))
    again.executor.gate.set()
    await asyncio.wait_for(asyncio.gather(first, resumed), 10)
    await again.kill()


async def _is_requested(runner: Runner, job: str, sequence: int) -> bool:
    requested = (await runner.job(job)).status.intent
    return requested is not None and requested.sequence == sequence


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_the_first_jobrunner_stops_when_the_second_handles_the_cancellation(tmp_path: Path, how: str) -> None:
    pair = Pair(tmp_path)
    work = await pair.begin()
    await getattr(pair.second, how)(2)
    await work
    assert ("JobCancelled", "event-1") in pair.first.causes()
    assert not pair.first.executor.gate.is_set()  # the job did not complete by itself


async def test_the_first_jobrunner_stops_when_its_job_was_taken_over(tmp_path: Path) -> None:
    """Like after the suspension of a machine: its claim has expired, and another jobrunner has the job."""
    pair = Pair(tmp_path)
    work = await pair.begin()
    job = await pair.first.job()
    taken = job.model_copy(update={"status": job.status.model_copy(update={"runner": "two", "attempts": 2})})
    await mutate(pair.documents, "job-1", lambda _: taken)
    await asyncio.wait({work}, timeout=10)
    assert (await pair.first.job()).status.runner == "two"
    assert pair.first.published() == ["JobStarted"]
    assert work.exception() is not None  # a redelivery waits for the other's outcome


async def _is_renewed(documents: Documents[JobDocument], revision: int) -> bool:
    stored = await documents.get("job-1")
    return stored is not None and stored.revision >= revision


class Losing(InMemoryDocuments[JobDocument]):
    """A bucket that can be lost."""

    def lose(self) -> None:
        """Empty the bucket, as if it was deleted and created again."""
        self._entries.clear()


async def test_a_running_job_is_recorded_again_in_a_lost_bucket_and_runs_once(tmp_path: Path) -> None:
    documents = Losing()
    runner = Runner(tmp_path, documents)
    runner.executor.gate.clear()
    work = runner.start(request(1))
    await runner.executor.started.wait()
    documents.lose()
    await eventually(lambda: runner.is_in(JobPhase.RUNNING))
    repetition = runner.start(request(1))
    runner.executor.gate.set()
    await asyncio.gather(work, repetition)
    assert await runner.is_in(JobPhase.SUCCEEDED)
    assert len(runner.executor.calls) == 1
