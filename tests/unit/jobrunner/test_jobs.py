"""One job for the same bytes, one outcome for each cause, whatever breaks in between."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from klever_jobrunner.domain import MAX_ATTEMPTS, Cause
from klever_jobrunner.errors import INVALID_MODEL, PULL_FAILED, UNSUPPORTED_KIND, WORKER_DIED, JobError
from klever_jobrunner.ports import Tell
from kleverkit.errors import NotFoundError, TransientError
from kleverproto.jobs import JobDocument, JobKind, JobLogged, JobPhase, JobResult
from support.jobs import NOW, SIGNATURE, Backlog, Runner, request
from support.waiting import eventually

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


async def test_a_job_starts_ends_and_leaves_no_files(runner: Runner) -> None:
    await runner.jobs.run(request())
    job = await runner.job()
    assert job.status.phase is JobPhase.SUCCEEDED
    assert job.status.result is not None
    assert job.status.result.signature == SIGNATURE
    assert runner.told() == ["JobStarted", "JobCompleted"]
    assert list(runner.directory.iterdir()) == []


async def test_the_same_event_again_does_nothing_again(runner: Runner) -> None:
    await runner.jobs.run(request())
    await runner.jobs.run(request())
    assert len(runner.executor.asked) == 1
    assert runner.told() == ["JobStarted", "JobCompleted"]


async def test_another_tag_of_the_same_bytes_gets_an_outcome_of_its_own(runner: Runner) -> None:
    await runner.jobs.run(request("event-1", version="v1"))
    await runner.jobs.run(request("event-2", version="latest"))
    assert len(runner.executor.asked) == 1
    completed = runner.publisher.events[1:]
    assert [event.causation_id for event in completed] == ["event-1", "event-2"]
    assert [event.data.spec.ref.version for event in completed] == ["v1", "latest"]


async def test_two_at_once_wait_for_one_result(runner: Runner) -> None:
    runner.executor.gate.clear()
    both = [asyncio.create_task(runner.jobs.run(request(f"event-{n}"))) for n in (1, 2)]
    await runner.executor.begun.wait()
    runner.executor.gate.set()
    await asyncio.gather(*both)
    assert len(runner.executor.asked) == 1
    assert runner.told() == ["JobStarted", "JobCompleted", "JobCompleted"]


async def test_a_model_that_cannot_be_parsed_fails_its_job_with_code_and_reason(runner: Runner) -> None:
    runner.executor.outcome = JobError("the file is cut off", code=INVALID_MODEL)
    await runner.jobs.run(request())
    problem = (await runner.job()).status.problem
    assert problem is not None
    assert (problem.code, problem.message) == (INVALID_MODEL, "the file is cut off")
    assert runner.told() == ["JobStarted", "JobFailed"]


async def test_a_registry_that_is_away_is_asked_again_by_the_redelivery(runner: Runner) -> None:
    runner.source.errors = [TransientError("no answer")]
    with pytest.raises(TransientError):
        await runner.jobs.run(request())
    assert (await runner.job()).status.phase is JobPhase.RUNNING
    await runner.jobs.run(request())
    assert (await runner.job()).status.phase is JobPhase.SUCCEEDED
    assert runner.told() == ["JobStarted", "JobCompleted"]


async def test_the_last_try_ends_the_job(runner: Runner) -> None:
    runner.source.errors = [TransientError("no answer") for _ in range(MAX_ATTEMPTS)]
    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(TransientError):
            await runner.jobs.run(request())
    await runner.jobs.run(request())
    problem = (await runner.job()).status.problem
    assert problem is not None
    assert problem.code == PULL_FAILED
    assert "no answer" in problem.message


async def stopped_in_the_middle(runner: Runner) -> None:
    """As when the process is killed: the document says Running, nothing was told after that."""
    runner.executor.gate.clear()
    runner.executor.begun.clear()
    work = asyncio.create_task(runner.jobs.run(request()))
    await runner.executor.begun.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_what_a_dead_process_left_is_done_at_start(tmp_path: Path) -> None:
    first = Runner(tmp_path)
    await stopped_in_the_middle(first)
    second = Runner(tmp_path, first.documents)
    await second.jobs.recover(Backlog([request()]))
    job = await second.job()
    assert (job.status.phase, job.status.attempts) == (JobPhase.SUCCEEDED, 2)
    assert second.told() == ["JobStarted", "JobCompleted"]
    assert {event.id for event in first.publisher.events} <= {event.id for event in second.publisher.events}


async def test_recovery_goes_on_after_a_job_that_cannot_be_done_now(runner: Runner) -> None:
    runner.source.errors = [TransientError("no answer")]
    await runner.jobs.recover(Backlog([request(job="job-1"), request("event-2", job="job-2")]))
    assert (await runner.job("job-2")).status.phase is JobPhase.SUCCEEDED


async def test_a_job_that_ends_every_process_is_given_up(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    for _ in range(MAX_ATTEMPTS):
        await stopped_in_the_middle(runner)
    await runner.jobs.recover(Backlog([request()]))
    problem = (await runner.job()).status.problem
    assert problem is not None
    assert problem.code == WORKER_DIED
    assert len(runner.executor.asked) == MAX_ATTEMPTS


async def test_a_cancelled_job_stops_at_once(runner: Runner) -> None:
    runner.executor.gate.clear()
    work = asyncio.create_task(runner.jobs.run(request()))
    await runner.executor.begun.wait()
    await runner.jobs.cancel(Cause("stop-1", "stop-1"), "job-1")
    await work
    assert (await runner.job()).status.phase is JobPhase.CANCELLED
    assert [event.causation_id for event in runner.publisher.events[1:]] == ["stop-1", "event-1"]
    assert set(runner.told()) == {"JobStarted", "JobCancelled"}


async def test_cancelling_what_has_ended_changes_nothing(runner: Runner) -> None:
    await runner.jobs.run(request())
    await runner.jobs.cancel(Cause("stop-1", "stop-1"), "job-1")
    assert (await runner.job()).status.phase is JobPhase.SUCCEEDED
    assert runner.told() == ["JobStarted", "JobCompleted"]


async def test_cancelling_what_does_not_exist_is_an_error(runner: Runner) -> None:
    with pytest.raises(NotFoundError, match="there is no job nothing"):
        await runner.jobs.cancel(Cause("stop-1", "stop-1"), "nothing")


async def test_what_the_bytes_decided_is_tried_again_only_when_someone_insists(runner: Runner) -> None:
    runner.executor.outcome = JobError("an unknown operator", code=INVALID_MODEL)
    await runner.jobs.run(request())
    await runner.jobs.run(replace(request("event-2"), asked_at=LATER))
    assert len(runner.executor.asked) == 1
    runner.executor.outcome = SIGNATURE
    await runner.jobs.run(replace(request("event-3"), asked_at=LATER, again=True))
    job = await runner.job()
    assert (job.status.phase, job.generation) == (JobPhase.SUCCEEDED, 2)


async def test_a_deleted_job_is_stopped_and_forgotten(runner: Runner) -> None:
    runner.executor.gate.clear()
    work = asyncio.create_task(runner.jobs.run(request()))
    await runner.executor.begun.wait()
    await runner.jobs.delete(Cause("delete-1", "delete-1"), "job-1")
    await work
    assert await runner.documents.get("job-1") is None
    assert runner.told()[:3] == ["JobStarted", "JobCancelled", "JobDeleted"]


async def test_deleting_what_is_not_there_is_done(runner: Runner) -> None:
    await runner.jobs.delete(Cause("delete-1", "delete-1"), "job-1")
    assert runner.told() == []


class Talking:
    """Work that tells many lines, and fails if it is told to."""

    def __init__(self, lines: int, error: JobError | None = None) -> None:
        self.lines = lines
        self.error = error

    async def do(self, job: JobDocument, scratch: Path, tell: Tell) -> JobResult:
        """See `ports.Work`."""
        assert scratch.name
        for number in range(self.lines):
            tell(f"{job.id}: {number}")
        if self.error:
            raise self.error
        return JobResult()


async def test_the_lines_of_a_job_are_told_before_its_end(tmp_path: Path) -> None:
    runner = Runner(tmp_path, works={JobKind.EXTRACT: Talking(450, JobError("broken", code=INVALID_MODEL))})
    await runner.jobs.run(request())
    assert runner.told() == ["JobStarted", "JobLogged", "JobLogged", "JobLogged", "JobFailed"]
    logged = [data.lines for data in runner.publisher.data() if isinstance(data, JobLogged)]
    assert [len(lines) for lines in logged] == [200, 200, 50]
    assert logged[-1][-1] == "job-1: 449"


async def test_a_kind_that_nobody_does_fails_its_job(tmp_path: Path) -> None:
    runner = Runner(tmp_path, works={})
    await runner.jobs.run(request())
    problem = (await runner.job()).status.problem
    assert problem is not None
    assert problem.code == UNSUPPORTED_KIND


async def test_a_job_that_waits_for_a_place_is_pending_and_can_be_stopped(tmp_path: Path) -> None:
    runner = Runner(tmp_path, places=1)
    runner.executor.gate.clear()
    first = asyncio.create_task(runner.jobs.run(request(job="first")))
    await runner.executor.begun.wait()
    second = asyncio.create_task(runner.jobs.run(request("event-2", job="second")))

    async def is_pending() -> bool:
        stored = await runner.documents.get("second")
        return stored is not None and stored.document.status.phase is JobPhase.PENDING

    await eventually(is_pending)
    await runner.jobs.cancel(Cause("cancel-1", "cancel-1"), "second")
    runner.executor.gate.set()
    await asyncio.gather(first, second)
    assert len(runner.executor.asked) == 1
    assert (await runner.job("second")).status.phase is JobPhase.CANCELLED
