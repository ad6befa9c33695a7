"""Metrics of jobs: queue time, run time, and the number of unfinished jobs."""

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from klever_jobrunner.errors import WORKER_DIED, JobError
from klever_jobrunner.metrics import JobMetrics
from kleverkit.errors import TransientError
from support.jobs import Runner, request


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def runs(runner: Runner, result: str) -> float | None:
    labels = {"kind": "extract", "result": result}
    return runner.metrics.get_sample_value("klever_job_run_duration_seconds_count", labels)


async def test_attempts_are_measured_by_kind_and_result(runner: Runner) -> None:
    await runner.jobs.run(request(1, version="v1"))
    assert runs(runner, "success") == 1
    queue = runner.metrics.get_sample_value("klever_job_queue_duration_seconds_count", {"kind": "extract"})
    assert queue == 1


async def test_failures_of_the_model_and_errors_that_are_retried_are_different_results(runner: Runner) -> None:
    runner.source.errors = [TransientError("no answer")]
    with pytest.raises(TransientError):
        await runner.jobs.run(request(1))
    runner.executor.outcome = JobError("killed", code=WORKER_DIED)
    await runner.jobs.run(request(1))
    assert (runs(runner, "error"), runs(runner, "failure"), runs(runner, "success")) == (1, 1, 0)
    queue = runner.metrics.get_sample_value("klever_job_queue_duration_seconds_count", {"kind": "extract"})
    assert queue == 1


async def test_jobs_that_have_not_ended_are_counted_and_zeros_are_exported(runner: Runner) -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry, runner.deletions, runner.monitor)
    runner.shortage = "the disk is full"
    with pytest.raises(TransientError):
        await runner.jobs.run(request(1))
    stored = await runner.documents.get(request(1).job)
    assert stored is not None
    runner.monitor.observe(stored)
    await metrics.refresh()

    def jobs(kind: str, phase: str) -> float | None:
        return registry.get_sample_value("klever_jobs_unfinished", {"kind": kind, "phase": phase})

    assert (jobs("extract", "Pending"), jobs("extract", "Running"), jobs("convert", "Pending")) == (1, 0, 0)
    runner.shortage, runner.now = None, runner.now + timedelta(seconds=4)
    await runner.jobs.run(request(1))
    ended = await runner.documents.get(request(1).job)
    assert ended is not None
    runner.monitor.observe(ended)
    await metrics.refresh()
    assert jobs("extract", "Pending") == 0
    assert runner.metrics.get_sample_value("klever_job_queue_duration_seconds_sum", {"kind": "extract"}) == 4
