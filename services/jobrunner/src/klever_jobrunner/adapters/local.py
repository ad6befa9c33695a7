"""A warm pool of worker processes on this machine."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from klever_jobrunner.errors import TIMED_OUT, WORKER_DIED, JobError
from kleverproto.signatures import Signature

log = structlog.get_logger(__name__)

LINE_LIMIT = 64 * 1024 * 1024
"""Longest answer of a worker in bytes: a signature with very many operators and labels."""
START_SECONDS = 30.0


@dataclass(frozen=True)
class PoolOptions:
    """How many workers, and what one may use."""

    workers: int = 2
    memory_mb: int = 2048
    timeout_seconds: float = 60.0
    max_jobs: int = 500
    command: Sequence[str] = (sys.executable, "-m", "klever_jobrunner.worker")


class WorkerPool:
    """See `ports.JobExecutor`. A worker that dies or hangs takes one job down; a fresh one takes its place."""

    def __init__(self, options: PoolOptions) -> None:
        self._options = options
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._starting: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self) -> None:
        """Keep the workers for as long as this runs; they end with it."""
        for _ in range(self._options.workers):
            self._start_one()
        try:
            await asyncio.Event().wait()
        finally:
            await self._close()

    async def is_ready(self) -> bool:
        """A readiness check: some worker is warm or at work."""
        return not self._starting or not self._idle.empty()

    async def extract(self, directory: Path, format_name: str) -> Signature:
        """See `ports.JobExecutor`. A worker that dies is tried once more, afresh: it may not have been the model."""
        job = {"directory": str(directory), "format": format_name}
        try:
            answer = await self._ask(job)
        except _DiedError:
            try:
                answer = await self._ask(job)
            except _DiedError as error:
                raise JobError(f"parsing the model ends its process, twice: {error}", code=WORKER_DIED) from error
        if "error" in answer:
            raise JobError(answer["error"]["message"], code=answer["error"]["code"])
        return Signature.model_validate(answer["signature"])

    async def _ask(self, job: dict[str, str]) -> dict[str, Any]:
        worker = await self._idle.get()
        fit = False
        try:
            answer = await worker.ask(job, self._options.timeout_seconds)
            fit = worker.jobs < self._options.max_jobs
        except TimeoutError as error:
            seconds = self._options.timeout_seconds
            raise JobError(f"parsing the model took longer than {seconds:g} s", code=TIMED_OUT) from error
        else:
            return answer
        finally:
            if fit:
                self._idle.put_nowait(worker)
            else:
                worker.kill()
                self._start_one()

    def _start_one(self) -> None:
        if self._closed:
            return
        task = asyncio.create_task(self._bring_up())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _bring_up(self) -> None:
        """Start a worker, again and again until one is warm."""
        while True:
            try:
                worker = await _Worker.start(self._options)
            except (_DiedError, TimeoutError, OSError) as error:
                log.warning("a worker did not start; trying again", error=str(error))
                await asyncio.sleep(1.0)
            else:
                self._idle.put_nowait(worker)
                return

    async def _close(self) -> None:
        self._closed = True
        for task in self._starting:
            task.cancel()
        while not self._idle.empty():
            self._idle.get_nowait().kill()


class _DiedError(Exception):
    """The worker's process ended before it answered."""


class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.jobs = 0

    @classmethod
    async def start(cls, options: PoolOptions) -> "_Worker":
        process = await asyncio.create_subprocess_exec(
            *options.command,
            str(options.memory_mb),
            str(options.timeout_seconds),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
            limit=LINE_LIMIT,
        )
        worker = cls(process)
        try:
            await asyncio.wait_for(worker._answer(), START_SECONDS)
        except BaseException:
            worker.kill()
            raise
        return worker

    async def ask(self, job: dict[str, str], timeout_seconds: float) -> dict[str, Any]:
        self.jobs += 1
        stdin = self._process.stdin
        if stdin is None:
            raise _DiedError("it has no input")
        try:
            stdin.write(json.dumps(job).encode() + b"\n")
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _DiedError("its input is closed") from error
        return await asyncio.wait_for(self._answer(), timeout_seconds)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _answer(self) -> dict[str, Any]:
        stdout = self._process.stdout
        line = await stdout.readline() if stdout is not None else b""
        if not line.endswith(b"\n"):
            raise _DiedError(f"exit code {await self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _environment() -> dict[str, str]:
    """No secrets for a process that reads foreign bytes; one thread, since memory is reserved for each."""
    kept = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "HOME", "KLEVER_HOME", "TMPDIR")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {name: os.environ[name] for name in kept if name in os.environ} | threads
