"""One job for the same bytes, one outcome for each cause, despite any failure in between."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from klever_jobrunner.domain.life import MAX_ATTEMPTS
from klever_jobrunner.errors import INTERNAL, INVALID_MODEL, PULL_FAILED, UNSUPPORTED_KIND, WORKER_DIED, JobError
from klever_jobrunner.ports import OnLine, Operation
from klever_jobrunner.service.extraction import Extraction
from kleverkit.errors import TransientError
from kleverkit.publisher import RecordingPublisher
from kleverproto.jobs import JobDocument, JobKind, JobLogged, JobPhase, JobResult, JobStarted
from support.jobs import SIGNATURE, Backlog, GatedExecutor, Runner, ScriptedSource, request
from support.waiting import eventually


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


async def test_a_job_starts_completes_and_leaves_no_files(runner: Runner) -> None:
    await runner.jobs.run(request())
    job = await runner.job()
    assert job.status.phase is JobPhase.SUCCEEDED
    assert job.status.result is not None
    assert job.status.result.signature == SIGNATURE
    assert runner.published() == ["JobStarted", "JobCompleted"]
    assert list(runner.directory.iterdir()) == []


async def test_a_repeated_event_has_no_effect(runner: Runner) -> None:
    await runner.jobs.run(request())
    await runner.jobs.run(request())
    assert len(runner.executor.calls) == 1
    assert runner.published() == ["JobStarted", "JobCompleted"]


async def test_another_tag_of_the_same_bytes_gets_its_own_outcome(runner: Runner) -> None:
    await runner.jobs.run(request(1, version="v1"))
    await runner.jobs.run(request(2, version="latest"))
    assert len(runner.executor.calls) == 1
    completed = runner.publisher.events[1:]
    assert [event.causation_id for event in completed] == ["event-1", "event-2"]
    assert [event.data.spec.ref.version for event in completed] == ["v1", "latest"]


async def test_a_restarted_job_is_announced_under_the_requesting_tag(runner: Runner) -> None:
    runner.executor.outcome = JobError("killed", code=WORKER_DIED)
    await runner.jobs.run(request(1, version="v1"))
    runner.source.errors = [TransientError("no answer")]
    with pytest.raises(TransientError):
        await runner.jobs.run(request(2, version="v2"))
    await runner.jobs.run(request(3, version="latest"))
    started = [data.spec.ref.version for data in runner.publisher.data() if isinstance(data, JobStarted)]
    assert started == ["v1", "v2", "latest"]


async def test_two_concurrent_requests_wait_for_one_result(runner: Runner) -> None:
    runner.executor.gate.clear()
    both = [runner.start(request(n)) for n in (1, 2)]
    await runner.executor.started.wait()
    runner.executor.gate.set()
    await asyncio.gather(*both)
    assert len(runner.executor.calls) == 1
    assert runner.published() == ["JobStarted", "JobCompleted", "JobCompleted"]


async def test_a_model_that_cannot_be_parsed_fails_its_job_with_code_and_reason(runner: Runner) -> None:
    runner.executor.outcome = JobError("the file is cut off", code=INVALID_MODEL)
    await runner.jobs.run(request())
    problem = (await runner.job()).status.problem
    assert problem is not None
    assert (problem.code, problem.message) == (INVALID_MODEL, "the file is cut off")
    assert runner.published() == ["JobStarted", "JobFailed"]


async def test_an_unreachable_registry_is_retried_on_redelivery(runner: Runner) -> None:
    runner.source.errors = [TransientError("no answer")]
    with pytest.raises(TransientError):
        await runner.jobs.run(request())
    waiting = (await runner.job()).status
    assert waiting.problem is not None
    assert (waiting.phase, waiting.problem.message) == (JobPhase.PENDING, "no answer")
    await runner.jobs.run(request())
    assert (await runner.job()).status.phase is JobPhase.SUCCEEDED
    assert runner.published() == ["JobStarted", "JobCompleted"]


async def test_the_last_attempt_ends_the_job(runner: Runner) -> None:
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
    """The state after a kill: the document is Running, and nothing was published after that."""
    runner.executor.gate.clear()
    runner.executor.started.clear()
    work = runner.start(request())
    await runner.executor.started.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_the_jobs_of_a_dead_process_run_at_startup(tmp_path: Path) -> None:
    first = Runner(tmp_path)
    await stopped_in_the_middle(first)
    second = Runner(tmp_path, first.documents)
    await second.jobs.recover(Backlog([request()]))
    job = await second.job()
    assert (job.status.phase, job.status.attempts) == (JobPhase.SUCCEEDED, 2)
    assert second.published() == ["JobStarted", "JobCompleted"]
    assert {event.id for event in first.publisher.events} <= {event.id for event in second.publisher.events}


async def test_recovery_continues_after_a_job_that_cannot_run_now(runner: Runner) -> None:
    runner.source.errors = [TransientError("no answer")]
    await runner.jobs.recover(Backlog([request(job="job-1"), request(2, job="job-2")]))
    assert (await runner.job("job-2")).status.phase is JobPhase.SUCCEEDED


async def test_a_job_that_kills_every_process_is_given_up(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    for _ in range(MAX_ATTEMPTS):
        await stopped_in_the_middle(runner)
    await runner.jobs.recover(Backlog([request()]))
    problem = (await runner.job()).status.problem
    assert problem is not None
    assert problem.code == WORKER_DIED
    assert len(runner.executor.calls) == MAX_ATTEMPTS


async def test_an_outcome_decided_by_the_bytes_is_retried_only_on_a_forced_request(runner: Runner) -> None:
    runner.executor.outcome = JobError("an unknown operator", code=INVALID_MODEL)
    await runner.jobs.run(request())
    await runner.jobs.run(request(2))
    assert len(runner.executor.calls) == 1
    runner.executor.outcome = SIGNATURE
    await runner.jobs.run(request(3, again=True))
    job = await runner.job()
    assert (job.status.phase, job.generation) == (JobPhase.SUCCEEDED, 2)


class Talking:
    """An operation that logs many lines, and fails on request."""

    def __init__(self, lines: int, error: JobError | None = None) -> None:
        self.lines = lines
        self.error = error

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """See `ports.Operation`."""
        assert scratch.name
        for number in range(self.lines):
            on_line(f"{job.id}: {number}")
        if self.error:
            raise self.error
        return JobResult()


async def test_the_lines_of_a_job_are_published_before_its_end(tmp_path: Path) -> None:
    runner = Runner(tmp_path, operations={JobKind.EXTRACT: Talking(450, JobError("broken", code=INVALID_MODEL))})
    await runner.jobs.run(request())
    assert runner.published() == ["JobStarted", "JobLogged", "JobLogged", "JobLogged", "JobFailed"]
    logged = [data.lines for data in runner.publisher.data() if isinstance(data, JobLogged)]
    assert [len(lines) for lines in logged] == [200, 200, 50]
    assert logged[-1][-1] == "job-1: 449"


async def test_an_unsupported_kind_fails_its_job(tmp_path: Path) -> None:
    runner = Runner(tmp_path, operations={})
    await runner.jobs.run(request())
    problem = (await runner.job()).status.problem
    assert problem is not None
    assert problem.code == UNSUPPORTED_KIND


async def test_the_lines_of_two_attempts_have_different_ids(tmp_path: Path) -> None:
    """The ids differ even if the document was lost with its bucket and counts its attempts from 1 again."""
    publisher = RecordingPublisher()
    for _ in range(2):
        runner = Runner(tmp_path, publisher=publisher, operations={JobKind.EXTRACT: Talking(1)})
        await runner.jobs.run(request())
    assert [type(data) for data in publisher.data()].count(JobLogged) == 2


class Broken:
    """An operation with a bug."""

    async def run_job(self, job: JobDocument, scratch: Path, on_line: OnLine) -> JobResult:
        """See `ports.Operation`."""
        on_line(f"working in {scratch}")
        raise ZeroDivisionError(f"in {job.id}")


async def test_an_operation_with_a_bug_fails_its_job_after_the_last_attempt(tmp_path: Path) -> None:
    runner = Runner(tmp_path, operations={JobKind.EXTRACT: Broken()})
    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(TransientError, match="ZeroDivisionError: in job-1"):
            await runner.jobs.run(request())
    await runner.jobs.run(request())
    problem = (await runner.job()).status.problem
    assert problem is not None
    assert problem.code == INTERNAL


async def test_a_second_request_during_a_job_does_not_start_it_again_after_its_failure(runner: Runner) -> None:
    runner.executor.gate.clear()
    runner.executor.outcome = JobError("killed", code=WORKER_DIED)
    both = [runner.start(request(1)), runner.start(request(2))]
    await runner.executor.started.wait()
    runner.executor.gate.set()
    await asyncio.gather(*both)
    assert len(runner.executor.calls) == 1
    assert runner.published() == ["JobStarted", "JobFailed", "JobFailed"]


async def test_a_request_after_a_failure_starts_the_job_again_whatever_the_clock_says(runner: Runner) -> None:
    runner.executor.outcome = JobError("killed", code=WORKER_DIED)
    await runner.jobs.run(request(1))
    runner.executor.outcome = SIGNATURE
    runner.now -= timedelta(days=1)
    await runner.jobs.run(request(2))
    job = await runner.job()
    assert (job.status.phase, job.generation) == (JobPhase.SUCCEEDED, 2)


async def test_jobs_of_one_kind_are_resumed_while_another_kind_is_busy(tmp_path: Path) -> None:
    busy = GatedExecutor()
    operations: dict[JobKind, Operation] = {
        JobKind.EXTRACT: Extraction(ScriptedSource(), busy),
        JobKind.SCAN: Talking(1),
    }
    runner = Runner(tmp_path, operations=operations)
    extraction = request(1, job="extract-1")
    scanning = replace(request(2, job="scan-1"), spec=extraction.spec.model_copy(update={"kind": JobKind.SCAN}))
    recovery = asyncio.create_task(runner.jobs.recover(Backlog([extraction, scanning])))
    await eventually(lambda: runner.is_in(JobPhase.SUCCEEDED, "scan-1"))
    busy.gate.set()
    await recovery
    assert await runner.is_in(JobPhase.SUCCEEDED, "extract-1")
