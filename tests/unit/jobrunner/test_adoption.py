"""Jobrunners share jobs: a free slot takes any waiting job, and the jobs of a dead one are taken over."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from klever_jobrunner.errors import INVALID_MODEL, JobError
from kleverkit.errors import TransientError
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.publisher import RecordingPublisher
from kleverproto.jobs import JobDocument, JobPhase
from support.jobs import Runner, request
from support.waiting import eventually


class Pair:
    """Two jobrunners on one bucket and one stream, with a slot each; `one` gets the requests."""

    def __init__(self, directory: Path, *, lapse_seconds: float = 30.0, renew_seconds: float = 0.01) -> None:
        self.documents = InMemoryDocuments[JobDocument]()
        self.publisher = RecordingPublisher()
        self.one, self.two = (
            Runner(
                directory,
                self.documents,
                self.publisher,
                name=name,
                slots=1,
                lapse_seconds=lapse_seconds,
                renew_seconds=renew_seconds,
            )
            for name in ("one", "two")
        )

    def follow(self) -> None:
        """Run the background loops of both."""
        self.one.follow()
        self.two.follow()

    def hold(self) -> None:
        """Let no job complete."""
        self.one.executor.gate.clear()
        self.two.executor.gate.clear()

    def announced(self, event: str) -> list[str]:
        """The causes of the events of a type, once for each publication."""
        return [str(each.causation_id) for each in self.publisher.events if type(each.data).__name__ == event]

    async def is_announced(self, cause: str) -> bool:
        """Return whether the completion of a job was published."""
        return cause in self.announced("JobCompleted")

    async def is_waiting(self, job: str, *, expected: bool = True) -> bool:
        """Return whether `two` has adopted a job."""
        return self.two.jobs.is_handling(job) is expected

    async def revision(self) -> int:
        """The number of writes to the bucket."""
        return (await self.documents.incarnation()).last_sequence

    async def runners(self, *names: str) -> list[str]:
        """The jobrunners that run these jobs."""
        jobs = [await self.one.job(name) for name in names]
        return [job.status.runner if job.status.phase is JobPhase.RUNNING else "" for job in jobs]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    pair = Pair(tmp_path)
    pair.follow()
    yield pair
    await pair.one.kill()
    await pair.two.kill()


async def test_a_free_slot_of_one_jobrunner_takes_a_job_that_waits_at_another(pair: Pair) -> None:
    pair.hold()
    runs = [pair.one.start(request(number, job=f"job-{number}")) for number in (1, 2)]
    await pair.two.executor.started.wait()
    assert sorted(await pair.runners("job-1", "job-2")) == ["one", "two"]
    for runner in (pair.one, pair.two):
        runner.executor.gate.set()
    await asyncio.gather(*runs)  # the jobrunner that received the request answers it
    assert {("JobCompleted", "event-1"), ("JobCompleted", "event-2")} <= pair.one.causes()


async def test_every_job_runs_once_and_is_announced_once(pair: Pair) -> None:
    both = (pair.one, pair.two)
    await asyncio.gather(*(both[number % 2].start(request(number, job=f"job-{number}")) for number in range(40)))
    assert len(pair.one.executor.calls) + len(pair.two.executor.calls) == 40
    assert pair.two.executor.calls
    assert sorted(pair.announced("JobCompleted")) == sorted(f"event-{number}" for number in range(40))


async def test_a_project_with_many_jobs_delays_no_other_on_either_jobrunner(pair: Pair) -> None:
    """The quiet project's job was delivered to `one`, whose slot stays busy; that of `two` is free first."""
    pair.hold()
    many = [pair.one.start(request(number, job=f"busy-{number}", project="busy")) for number in range(10)]
    many += [pair.two.start(request(number, job=f"busy-{number}", project="busy")) for number in range(10, 20)]
    await pair.one.executor.started.wait()
    await pair.two.executor.started.wait()
    quiet = pair.one.start(request(20, job="quiet", project="quiet"))
    await eventually(lambda: pair.is_waiting("quiet"))
    pair.two.executor.gate.set()
    await quiet
    assert (await pair.one.job("quiet")).status.runner == "two"
    phases = [await pair.one.phase(f"busy-{number}") for number in range(20)]
    assert phases.count(JobPhase.SUCCEEDED) <= 2
    pair.one.executor.gate.set()
    await asyncio.gather(*many)


async def test_a_cancellation_handled_by_one_jobrunner_stops_the_job_of_another_at_once(tmp_path: Path) -> None:
    pair = Pair(tmp_path, renew_seconds=3600)
    pair.one.follow()
    pair.hold()
    run = pair.one.start(request(1))
    await pair.one.executor.started.wait()
    await pair.two.cancel(2)
    await asyncio.wait_for(run, 10)
    assert await pair.one.phase() is JobPhase.CANCELLED
    assert {("JobCancelled", "event-1"), ("JobCancelled", "cancel-2")} <= pair.one.causes()
    await pair.one.kill()


async def test_a_cancelled_job_that_waits_on_both_jobrunners_starts_on_neither(pair: Pair) -> None:
    pair.hold()
    first = [pair.one.start(request(number, job=f"first-{number}")) for number in (1, 2)]
    await pair.two.executor.started.wait()
    waiting = pair.one.start(request(3, job="waiting"))
    await eventually(lambda: pair.is_waiting("waiting"))
    await pair.two.cancel(4, "waiting")
    await waiting
    await eventually(lambda: pair.is_waiting("waiting", expected=False))
    for runner in (pair.one, pair.two):
        runner.executor.gate.set()
    await asyncio.gather(*first)
    assert (await pair.one.job("waiting")).status.attempts == 0


async def test_the_job_of_a_dead_jobrunner_is_taken_over_without_a_redelivery(tmp_path: Path) -> None:
    pair = Pair(tmp_path, lapse_seconds=0.1)
    pair.hold()
    dead = pair.one.start(request(1))
    await pair.one.executor.started.wait()
    dead.cancel()  # nobody renews its claim
    await asyncio.gather(dead, return_exceptions=True)
    pair.two.executor.gate.set()
    pair.two.follow()
    await eventually(lambda: pair.two.is_in(JobPhase.SUCCEEDED))
    job = await pair.two.job()
    assert (job.status.attempts, job.status.runner) == (2, "two")
    await eventually(lambda: pair.is_announced("event-1"))
    await pair.two.jobs.run(request(1))  # the redelivery
    assert pair.announced("JobCompleted") == ["event-1"]
    await pair.two.kill()


async def test_a_job_whose_claim_is_renewed_is_left_alone(tmp_path: Path) -> None:
    pair = Pair(tmp_path, lapse_seconds=0.5)
    pair.hold()
    pair.two.follow()
    run = pair.one.start(request(1))
    await pair.one.executor.started.wait()
    revision = await pair.revision()
    await eventually(lambda: _has_grown(pair, revision + 100))
    assert not pair.two.jobs.is_handling("job-1")
    pair.one.executor.gate.set()
    await run
    assert pair.two.executor.calls == []
    await pair.two.kill()


async def _has_grown(pair: Pair, revision: int) -> bool:
    return await pair.revision() > revision


async def test_a_job_with_a_transient_failure_waits_for_its_redelivery(pair: Pair) -> None:
    pair.one.source.errors = [TransientError("no answer")]
    with pytest.raises(TransientError):
        await pair.one.jobs.run(request(1))
    await asyncio.gather(*(pair.one.start(request(number, job=f"job-{number}")) for number in range(2, 12)))
    assert await pair.one.phase() is JobPhase.PENDING
    await pair.two.jobs.run(request(1))
    assert await pair.one.phase() is JobPhase.SUCCEEDED


async def test_an_adopted_job_that_fails_fails_once(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.one.executor.gate.clear()
    pair.follow()
    first = pair.one.start(request(1, job="first"))
    await pair.one.executor.started.wait()
    pair.two.executor.outcome = JobError("damaged", code=INVALID_MODEL)
    second = pair.one.start(request(2, job="second"))
    await second
    assert await pair.one.phase("second") is JobPhase.FAILED
    assert pair.announced("JobFailed") == ["event-2"]
    pair.one.executor.gate.set()
    await first
    await pair.one.kill()
    await pair.two.kill()
