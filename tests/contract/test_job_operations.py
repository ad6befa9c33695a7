"""One suite for every place where jobs run (klever_jobrunner.ports.Operation): this machine, and a cluster."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from klever_jobrunner.errors import INVALID_MODEL, JobError
from kleverkit.errors import TransientError
from kleverproto.jobs import JobResult
from support.adapters import adapters
from support.job_benches import OPERATIONS, RESULT, JobsBench, job
from support.jobs import SCAN


@pytest.fixture(params=adapters(OPERATIONS))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[JobsBench]:
    async with OPERATIONS[request.param](lambda: request.getfixturevalue("kubeconfig")) as bench:
        yield bench


async def test_job_has_a_result(bench: JobsBench, tmp_path: Path) -> None:
    bench.outcomes += [RESULT]
    assert await bench.operation.run_job(job(), tmp_path, print) == RESULT


async def test_failure_of_the_model_is_permanent_and_keeps_what_was_determined(
    bench: JobsBench, tmp_path: Path
) -> None:
    bench.outcomes += [JobError("the model is damaged", code=INVALID_MODEL, result=JobResult(scan=SCAN))]
    with pytest.raises(JobError, match="the model is damaged") as failure:
        await bench.operation.run_job(job(), tmp_path, print)
    assert (failure.value.code, failure.value.result) == (INVALID_MODEL, JobResult(scan=SCAN))


async def test_attempt_after_a_transient_failure_runs_the_job_again(bench: JobsBench, tmp_path: Path) -> None:
    document = job()
    bench.outcomes += [TransientError("the registry does not respond"), RESULT]
    with pytest.raises(TransientError, match="the registry does not respond"):
        await bench.operation.run_job(document, tmp_path, print)
    assert await bench.operation.run_job(document, tmp_path, print) == RESULT


async def test_job_that_was_interrupted_has_a_result_on_the_next_jobrunner(bench: JobsBench, tmp_path: Path) -> None:
    document = job()
    bench.outcomes += [RESULT, RESULT]
    bench.gate.clear()
    attempt = asyncio.create_task(bench.operation.run_job(document, tmp_path, print))
    await bench.begun.wait()
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    await bench.restart()
    bench.gate.set()
    assert await bench.operation.run_job(document, tmp_path, print) == RESULT
