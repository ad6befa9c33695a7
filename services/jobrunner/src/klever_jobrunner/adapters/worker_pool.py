"""A warm pool of worker processes on this machine."""

import asyncio
import signal
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import Any, Self

import structlog

from klever_jobrunner.errors import TIMED_OUT, WORKER_DIED, JobError
from kleverkit.errors import TransientError
from kleverproto.jobs import JobResult
from kleverproto.scans import Scan
from kleverproto.signatures import Signature

from .worker import Reply, Task
from .worker_process import WorkerDiedError, WorkerLimits, WorkerProcess

log = structlog.get_logger(__name__)

RESTART_SECONDS = 1.0
"""Pause after a failed start of a worker."""


class WorkerPool:
    """See `ports.JobExecutor`. A worker that dies or hangs fails only one job, and is replaced.

    Args:
        models: the directory with the models of all jobs.
        workers: number of processes that are kept warm.
        limits: the limits of each process.
        starts: number of failed starts in a row after which jobs fail; None to try forever, as a service does.
    """

    def __init__(
        self, models: Path, workers: int = 2, limits: WorkerLimits | None = None, *, starts: int | None = None
    ) -> None:
        self._starts = starts
        self._closed = "the jobrunner is stopping: the job is run after its restart"
        self._models = models
        self._size = workers
        self._limits = limits or WorkerLimits()
        self._idle: asyncio.Queue[WorkerProcess | None] = asyncio.Queue()
        """Workers without a job; None once the pool is closing."""
        self._warm: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    async def __aenter__(self) -> Self:
        for _ in range(self._size):
            self._spawn(self._start_worker())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._is_closing = True
        self._idle.put_nowait(None)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self._warm))
        self._warm.clear()

    async def is_ready(self) -> bool:
        """Return whether at least one worker is warm, for readiness; missing workers are being replaced."""
        return any(worker.is_alive for worker in self._warm)

    async def extract(self, directory: Path, format_name: str | None) -> Signature:
        """See `ports.JobExecutor`."""
        result = await self._run_task(Task(directory=directory, format=format_name))
        return result.signature or Signature()

    async def scan(self, directory: Path) -> Scan:
        """See `ports.JobExecutor`."""
        result = await self._run_task(Task(action="scan", directory=directory))
        if result.scan is None:
            raise JobError("the worker answered without a scan", code=WORKER_DIED)
        return result.scan

    async def _run_task(self, task: Task) -> JobResult:
        """Run a task; if its worker dies, retry once, since the model may not be the cause."""
        try:
            answer = await self._run_once(task)
        except WorkerDiedError:
            try:
                answer = await self._run_once(task)
            except WorkerDiedError as error:
                raise self._died(error) from error
        if answer.problem:
            raise JobError(answer.problem.message, code=answer.problem.code)
        return answer.result or JobResult()

    async def _run_once(self, task: Task) -> Reply:
        worker = await self._take()
        is_fit = False
        try:
            answer = await worker.run_task(task)
            is_fit = not worker.needs_replacement
        except TimeoutError as error:
            raise self._too_long() from error
        except WorkerDiedError as error:
            if error.code == -signal.SIGXCPU:
                raise self._too_long() from error
            raise
        except ValueError as error:
            raise JobError(f"the worker's answer cannot be read: {error}", code=WORKER_DIED) from error
        else:
            return answer
        finally:
            if is_fit:
                self._idle.put_nowait(worker)
            else:
                self._spawn(self._replace(worker))

    async def _take(self) -> WorkerProcess:
        """Take a worker for one job; a worker that exited without a job is replaced.

        Raises TransientError when the pool is closing, or when no worker starts.
        """
        while worker := await self._idle.get():
            if worker.is_alive:
                return worker
            self._spawn(self._replace(worker))
        self._idle.put_nowait(None)  # wakes the next waiter
        raise TransientError(self._closed, code=WORKER_DIED)

    async def _replace(self, worker: WorkerProcess) -> None:
        await worker.end()
        self._warm.discard(worker)
        if not self._is_closing:
            await self._start_worker()

    async def _start_worker(self) -> None:
        """Start a worker; retry until one is warm."""
        for number in count(1):
            try:
                worker = await WorkerProcess.start(self._limits, self._models)
            except Exception as error:  # noqa: BLE001 - after any error, the start must be retried
                reason = str(error) or type(error).__name__
                if number == self._starts:
                    self._closed = f"no worker process starts: {reason}"
                    self._idle.put_nowait(None)
                    return
                log.warning("worker not started, retrying", error=reason)
                await asyncio.sleep(RESTART_SECONDS)
            else:
                self._warm.add(worker)
                self._idle.put_nowait(worker)
                return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _too_long(self) -> JobError:
        return JobError(
            f"parsing the model took longer than {self._limits.timeout_seconds:g} s: increase "
            "KLEVER_JOBRUNNER_JOB_TIMEOUT_SECONDS and retry with `klever jobs create <model>`",
            code=TIMED_OUT,
        )

    def _died(self, error: WorkerDiedError) -> JobError:
        return JobError(
            f"the worker process died twice while it parsed the model ({error}): the model is damaged, or needs more "
            f"than the {self._limits.memory_mb} MB that a worker may use (KLEVER_JOBRUNNER_WORKER_MEMORY_MB)",
            code=WORKER_DIED,
        )
