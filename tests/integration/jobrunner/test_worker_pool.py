"""Workers that die, hang, use much memory, print or wear out: one job fails, and the pool is restored."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from klever_jobrunner.adapters.worker_pool import WorkerPool
from klever_jobrunner.adapters.worker_process import WorkerLimits
from klever_jobrunner.errors import OUT_OF_MEMORY, TIMED_OUT, WORKER_DIED, JobError
from kleverkit.errors import TransientError
from support import jobs_worker
from support.waiting import eventually

CODE = Path(jobs_worker.__file__).read_text()
MODELS = Path(jobs_worker.__file__).parent
LIMITS = WorkerLimits(memory_mb=1024, timeout_seconds=5, command=(sys.executable, "-c", CODE))


def workers() -> list[psutil.Process]:
    alive = (child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE)
    return [child for child in alive if "jobs_worker" in " ".join(child.cmdline())]


@asynccontextmanager
async def pool(size: int = 1, limits: WorkerLimits = LIMITS, models: Path = MODELS) -> AsyncIterator[WorkerPool]:
    async with WorkerPool(models, size, limits) as running:
        yield running
    assert workers() == []


async def answer_of(running: WorkerPool, wish: str) -> str:
    """Return the worker's answer, which contains its process id."""
    signature = await running.extract(Path("/"), wish)
    return str(signature.framework)


async def test_workers_are_warm_before_the_first_job_and_are_reused() -> None:
    async with pool(2) as running:
        await eventually(running.is_ready)
        pids = [await answer_of(running, "pid") for _ in range(6)]
    assert len(set(pids)) <= 2


@pytest.mark.parametrize("wish", ["exit", "segfault"])
async def test_a_job_that_kills_its_process_twice_fails_and_the_next_one_runs(wish: str) -> None:
    async with pool() as running:
        with pytest.raises(JobError, match="the worker process died twice") as failure:
            await answer_of(running, wish)
        assert failure.value.code == WORKER_DIED
        assert await answer_of(running, "pid")


async def test_a_worker_that_is_killed_once_fails_no_job() -> None:
    async with pool() as running:
        await answer_of(running, "pid")
        workers()[0].kill()
        assert await answer_of(running, "pid")


async def test_idle_workers_that_exited_fail_no_job() -> None:
    async with pool(2) as running:
        await eventually(lambda: _have(2))
        for worker in workers():
            worker.kill()
        await eventually(lambda: _have(0))
        assert await answer_of(running, "pid")
        assert await running.is_ready()


async def test_an_unreadable_answer_fails_only_its_job() -> None:
    async with pool() as running:
        with pytest.raises(JobError, match="answer cannot be read") as failure:
            await answer_of(running, "large")
        assert failure.value.code == WORKER_DIED
        assert await answer_of(running, "pid")


async def test_a_worker_that_fails_to_start_is_restarted(tmp_path: Path) -> None:
    orders = tmp_path / "orders"
    os.mkfifo(orders)
    start = f"read -r order < {orders}; [ $order = good ] || {{ echo '{{'; exit 1; }}; exec \"$@\""
    command = ("sh", "-c", start, "sh", *LIMITS.command)
    async with pool(limits=replace(LIMITS, command=command), models=tmp_path) as running:
        await asyncio.to_thread(orders.write_text, "bad\n")  # waits until a worker reads it
        orders.unlink()
        orders.write_text("good\n")
        assert await answer_of(running, "pid")


async def test_a_cancelled_wait_does_not_lose_a_worker() -> None:
    async with pool() as running:
        await eventually(running.is_ready)
        for _ in range(20):
            first = asyncio.create_task(answer_of(running, "pid"))
            waiting = [asyncio.create_task(answer_of(running, "pid")) for _ in range(3)]
            await first  # the worker takes the next job now
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        assert await answer_of(running, "pid")


async def test_a_job_that_runs_when_the_pool_closes_is_a_transient_error() -> None:
    async with pool() as running:
        work = asyncio.create_task(answer_of(running, "hang"))
        second = asyncio.create_task(answer_of(running, "pid"))
        await eventually(running.is_ready)
    async with asyncio.timeout(10):
        ends = await asyncio.gather(work, second, return_exceptions=True)
    assert [type(end) for end in ends] == [TransientError, TransientError]
    assert workers() == []


async def _have(count: int) -> bool:
    return len(workers()) == count


async def test_a_hanging_job_is_stopped_at_its_timeout() -> None:
    async with pool(limits=replace(LIMITS, timeout_seconds=0.5)) as running:
        with pytest.raises(JobError, match=r"longer than 0\.5 s") as failure:
            await answer_of(running, "hang")
        assert failure.value.code == TIMED_OUT
        assert await answer_of(running, "pid")


async def test_a_job_over_its_memory_limit_fails() -> None:
    async with pool() as running:
        with pytest.raises(JobError, match="KLEVER_JOBRUNNER_WORKER_MEMORY_MB") as failure:
            await answer_of(running, "memory")
        assert failure.value.code == OUT_OF_MEMORY


async def test_the_output_of_a_parser_is_not_read_as_an_answer() -> None:
    async with pool() as running:
        assert await answer_of(running, "print")


async def test_a_worker_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLEVER_JOBRUNNER_TOKEN", "secret")
    async with pool() as running:
        assert "KLEVER_JOBRUNNER_TOKEN" not in await answer_of(running, "environment")


async def test_a_worn_worker_is_replaced() -> None:
    async with pool(limits=replace(LIMITS, max_jobs=2)) as running:
        pids = [await answer_of(running, "pid") for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


async def test_a_worker_that_used_much_memory_is_replaced() -> None:
    async with pool(limits=replace(LIMITS, recycle_mb=1)) as running:
        assert await answer_of(running, "pid") != await answer_of(running, "pid")


async def test_closing_during_a_job_leaves_no_process() -> None:
    async with pool() as running:
        work = asyncio.create_task(answer_of(running, "hang"))
        await eventually(running.is_ready)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def test_job_fails_if_no_worker_starts_and_somebody_waits_for_it_only() -> None:
    limits = replace(LIMITS, command=(sys.executable, "-c", "raise SystemExit(3)"))
    async with WorkerPool(MODELS, 1, limits, starts=2) as running:
        for _ in range(2):
            with pytest.raises(TransientError, match="no worker process starts: exit code 3"):
                await answer_of(running, "pid")


async def test_worker_imports_packages_of_pythonpath(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outside_the_environment.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = f"import outside_the_environment\n{CODE}"
    async with WorkerPool(MODELS, 1, replace(LIMITS, command=(sys.executable, "-c", code)), starts=1) as running:
        assert await answer_of(running, "pid")
