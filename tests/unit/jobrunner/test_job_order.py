"""Requests, cancellations and deletions of one job: the newest one counts, in any order of handling."""

import asyncio
import itertools
from pathlib import Path

import pytest

from klever_jobrunner.errors import WORKER_DIED, JobError
from kleverproto.jobs import JobPhase
from support.jobs import Gated, Runner, intent, request
from support.waiting import eventually


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


async def test_a_cancelled_job_stops_at_once(runner: Runner) -> None:
    runner.executor.gate.clear()
    work = runner.start(request(1))
    await runner.executor.started.wait()
    await runner.cancel(2)
    await work
    assert await runner.phase() is JobPhase.CANCELLED
    assert runner.causes() == {("JobStarted", "event-1"), ("JobCancelled", "event-1"), ("JobCancelled", "cancel-2")}


async def test_a_deleted_job_is_stopped_and_removed(runner: Runner) -> None:
    runner.executor.gate.clear()
    work = runner.start(request(1))
    await runner.executor.started.wait()
    await runner.delete(2)
    await work
    assert await runner.phase() is None
    assert runner.causes() == {("JobStarted", "event-1"), ("JobCancelled", "event-1"), ("JobDeleted", "delete-2")}


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_a_job_stopped_while_it_waits_for_a_slot_never_runs_and_leaves_the_queue(
    tmp_path: Path, how: str
) -> None:
    runner = Runner(tmp_path, slots=1)
    runner.executor.gate.clear()
    first = runner.start(request(1, job="first"))
    await runner.executor.started.wait()
    second, third = runner.start(request(2, job="second")), runner.start(request(3, job="third"))
    await eventually(lambda: runner.is_in(JobPhase.PENDING, "third"))
    await getattr(runner, how)(4, "second")
    await second  # it no longer waits for the slot
    assert not first.done()
    runner.executor.gate.set()
    await asyncio.gather(first, third)
    assert len(runner.executor.calls) == 2
    assert await runner.phase("second") is (JobPhase.CANCELLED if how == "cancel" else None)
    assert ("JobCancelled", "event-2") in runner.causes()


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_a_job_stopped_while_its_start_is_announced_does_not_run(tmp_path: Path, how: str) -> None:
    publisher = Gated()
    publisher.gate.clear()
    runner = Runner(tmp_path, publisher=publisher)
    work = runner.start(request(1))
    await publisher.reached.wait()
    await getattr(runner, how)(2)
    publisher.gate.set()
    await work
    assert runner.executor.calls == []
    assert ("JobCancelled", "event-1") in runner.causes()


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_a_job_stopped_before_its_request_arrived_never_runs(runner: Runner, how: str) -> None:
    await getattr(runner, how)(2)
    await runner.jobs.run(request(1))
    assert runner.executor.calls == []
    assert await runner.phase() is (JobPhase.CANCELLED if how == "cancel" else None)
    ending = ("JobCancelled", "cancel-2") if how == "cancel" else ("JobDeleted", "delete-2")
    assert runner.causes() == {ending, ("JobCancelled", "event-1")}


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_a_job_without_a_description_is_stopped_all_the_same(runner: Runner, how: str) -> None:
    await getattr(runner.jobs, how)(intent("stop-2", 2), "job-1", None)
    assert runner.published() == []
    await runner.jobs.run(request(1))
    assert runner.executor.calls == []
    assert runner.published() == ["JobCancelled"]


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_a_request_after_the_completion_runs_and_no_repeated_cancellation_stops_it(
    runner: Runner, how: str
) -> None:
    stop = getattr(runner, how)
    await stop(2)
    runner.executor.gate.clear()
    work = runner.start(request(3))
    await runner.executor.started.wait()
    await stop(2)
    assert await runner.phase() is JobPhase.RUNNING
    runner.executor.gate.set()
    await work
    job = await runner.job()
    assert (job.status.phase, job.generation) == (JobPhase.SUCCEEDED, 2)


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_an_older_request_that_arrives_after_a_newer_one_changes_nothing(runner: Runner, how: str) -> None:
    await runner.jobs.run(request(3))
    await getattr(runner, how)(2)
    assert await runner.phase() is JobPhase.SUCCEEDED
    assert runner.published() == ["JobStarted", "JobCompleted"]


async def test_cancelling_a_completed_job_changes_nothing(runner: Runner) -> None:
    await runner.jobs.run(request(1))
    await runner.cancel(2)
    assert await runner.phase() is JobPhase.SUCCEEDED
    assert runner.published() == ["JobStarted", "JobCompleted"]


async def test_a_retry_that_was_cancelled_before_it_arrived_does_not_run(runner: Runner) -> None:
    runner.executor.outcome = JobError("killed", code=WORKER_DIED)
    await runner.jobs.run(request(1))
    await runner.cancel(3)
    await runner.jobs.run(request(2, again=True))
    assert len(runner.executor.calls) == 1
    assert await runner.phase() is JobPhase.FAILED


async def test_a_cancellation_from_before_the_newest_request_stops_nothing(runner: Runner) -> None:
    runner.executor.gate.clear()
    first = runner.start(request(1))
    await runner.executor.started.wait()
    second = runner.start(request(3))
    await eventually(lambda: _has_received(runner, 3))
    await runner.cancel(2)
    runner.executor.gate.set()
    await asyncio.gather(first, second)
    assert await runner.phase() is JobPhase.SUCCEEDED
    assert len(runner.executor.calls) == 1  # the cancellation was late


async def _has_received(runner: Runner, sequence: int) -> bool:
    heard = (await runner.job()).status.intent
    return heard is not None and heard.sequence == sequence


async def test_a_push_is_late_only_for_itself(runner: Runner) -> None:
    push = request(900, is_push=True)
    await runner.jobs.run(push)
    await runner.delete(5)
    await runner.jobs.run(push)
    assert await runner.phase() is None
    await runner.jobs.run(request(901, is_push=True, version="latest"))
    assert await runner.phase() is JobPhase.SUCCEEDED
    await runner.delete(5)  # a redelivery
    assert await runner.phase() is JobPhase.SUCCEEDED
    await runner.delete(6)
    assert await runner.phase() is None


async def test_a_push_of_a_model_with_an_unknown_job_is_parsed(runner: Runner) -> None:
    await runner.delete(5)
    await runner.jobs.run(request(900, is_push=True))
    assert await runner.phase() is JobPhase.SUCCEEDED


ENDS: dict[str, set[JobPhase | None]] = {
    "run": {JobPhase.SUCCEEDED},
    "cancel": {JobPhase.CANCELLED, JobPhase.SUCCEEDED},  # it may have completed before
    "delete": {None},
}


@pytest.mark.parametrize("asked", list(itertools.product(ENDS, repeat=3)), ids="-".join)
async def test_the_newest_message_counts_in_every_order_and_with_every_repetition(
    tmp_path: Path, asked: tuple[str, ...]
) -> None:
    ends = ENDS[asked[-1]]
    if asked[-1] == "cancel" and "delete" in asked:
        ends = ends | {None}  # a job that was deleted when it is cancelled stays deleted
    for order in itertools.permutations(range(3)):
        runner = Runner(tmp_path)
        for place in (*order, *order[::-1]):
            if asked[place] == "run":
                await runner.jobs.run(request(place + 1, again=True))
            else:
                await getattr(runner, asked[place])(place + 1)
        assert await runner.phase() in ends, order
