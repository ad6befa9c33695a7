"""One worker process, as its pool sees it."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from klever_jobrunner.extraction import SIGNATURE_LIMIT
from klever_jobrunner.worker import Answer, Job
from modelformats.threads import until_ended

START_SECONDS = 30.0
KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "HOME", "TMPDIR", "KLEVER_PLATFORM")
"""Environment of a worker; the last one tells `klever down` what belongs to the platform."""


@dataclass(frozen=True)
class WorkerLimits:
    """What one worker may use, and the program that it runs."""

    memory_mb: int = 2048
    """Address space."""
    timeout_seconds: float = 60.0
    """Time, and processor time, of one job."""
    max_jobs: int = 500
    """Jobs after which a fresh process takes over."""
    recycle_mb: int = 256
    """A worker that has held more than this is replaced, so that the memory is given back."""
    command: Sequence[str] = (sys.executable, "-m", "klever_jobrunner.worker")
    """Called with the address space in MiB and the processor seconds of one job."""


class WorkerDiedError(Exception):
    """The process ended before it answered.

    Args:
        code: its exit code; negative, the signal that ended it.
    """

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}")


class WorkerProcess:
    """A process that is warm and takes one job at a time."""

    def __init__(self, process: asyncio.subprocess.Process, limits: WorkerLimits) -> None:
        self._process = process
        self._limits = limits
        self._jobs = 0
        self._peak_mb = 0

    @classmethod
    async def start(cls, limits: WorkerLimits) -> "WorkerProcess":
        """Start one and wait until it is warm. Raises WorkerDiedError, TimeoutError, OSError, ValueError."""
        process = await asyncio.create_subprocess_exec(
            *limits.command,
            str(limits.memory_mb),
            str(limits.timeout_seconds),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(),
            limit=SIGNATURE_LIMIT * 2,
        )
        worker = cls(process, limits)
        try:
            async with asyncio.timeout(START_SECONDS):
                await worker._answer()
        except BaseException:
            await worker.end()
            raise
        return worker

    @property
    def is_alive(self) -> bool:
        """Whether its process is not known to have ended."""
        return self._process.returncode is None

    @property
    def is_worn(self) -> bool:
        """Whether a fresh process should take over."""
        return self._jobs >= self._limits.max_jobs or self._peak_mb > self._limits.recycle_mb

    async def do(self, job: Job) -> Answer:
        """Have a job done.

        Raises WorkerDiedError, TimeoutError, or ValueError for an answer that cannot be read; then the worker is of no
        use any more.
        """
        self._jobs += 1
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was started with a pipe
        with suppress(BrokenPipeError, ConnectionResetError):  # it is dead, as its answer will show
            stdin.write(job.model_dump_json().encode() + b"\n")
            await stdin.drain()
        async with asyncio.timeout(self._limits.timeout_seconds):
            answer = await self._answer()
        self._peak_mb = answer.peak_mb
        return answer

    async def end(self) -> None:
        """Kill it and wait until it is gone."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await until_ended(asyncio.ensure_future(self._process.wait()))

    async def _answer(self) -> Answer:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it was started with a pipe
        line = await stdout.readline()
        if not line.endswith(b"\n"):
            raise WorkerDiedError(await self._process.wait())
        return Answer.model_validate_json(line)


def _environment() -> dict[str, str]:
    """No secrets for a process that reads foreign bytes; one thread and one arena, since address space is limited."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
    return {name: os.environ[name] for name in KEPT if name in os.environ} | one
