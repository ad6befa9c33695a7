"""The pool's handle of one worker process."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from kleversandbox.homes import remove_home
from kleversandbox.policy import MEBI, Limits, Policy
from kleversandbox.starting import starting
from kleversandbox.system_paths import READABLE, SYSTEM, interpreter_paths
from modelformats.threads import in_thread, until_ended

from .parsing import SIGNATURE_LIMIT
from .worker import Reply, Task

START_SECONDS = 30.0
MODULES = ("klever_jobrunner", "kleverkit", "kleverproto", "kleversandbox", "modelfiles", "modelformats")
"""Our packages that a worker imports."""
KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "KLEVER_PLATFORM")
"""Variables that a worker inherits; by the last one, `klever down` finds processes of the platform."""


@dataclass(frozen=True)
class WorkerLimits:
    """The limits of one worker, and the program that it runs."""

    memory_mb: int = 2048
    """Address space."""
    timeout_seconds: float = 60.0
    """Limit of time, and of CPU time, for one job."""
    max_jobs: int = 500
    """Number of jobs after which a worker is replaced."""
    recycle_mb: int = 256
    """Peak memory in MB after which a worker is replaced, so that the memory is released."""
    command: Sequence[str] = (sys.executable, "-m", "klever_jobrunner.adapters.worker")
    """The command, called with the limit of CPU seconds for one job as argument."""


class WorkerDiedError(Exception):
    """The process exited before it replied.

    Args:
        code: its exit code; if negative, the signal that killed it.
    """

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}")


class WorkerProcess:
    """A warm process that runs one job at a time."""

    def __init__(self, process: asyncio.subprocess.Process, home: Path, limits: WorkerLimits) -> None:
        self._process = process
        self._home = home
        self._limits = limits
        self._jobs = 0
        self._peak_mb = 0

    @classmethod
    async def start(cls, limits: WorkerLimits, models: Path) -> "WorkerProcess":
        """Start a process and wait until it is warm. Raises WorkerDiedError, TimeoutError, OSError, ValueError.

        Args:
            limits: the limits of the process.
            models: the directory with the models of its jobs.
        """
        await in_thread(models.mkdir, parents=True, exist_ok=True)  # the sandbox can only allow existing paths
        home = Path(await in_thread(mkdtemp, prefix="klever-worker-"))
        try:
            worker = cls(await _spawned(_policy(limits, models, home)), home, limits)
        except BaseException:
            await in_thread(remove_home, home)
            raise
        try:
            async with asyncio.timeout(START_SECONDS):
                await worker._answer()
        except BaseException:
            await worker.end()
            raise
        return worker

    @property
    def is_alive(self) -> bool:
        """Return False if the process is known to have exited."""
        return self._process.returncode is None

    @property
    def needs_replacement(self) -> bool:
        """Return whether the process should be replaced."""
        return self._jobs >= self._limits.max_jobs or self._peak_mb > self._limits.recycle_mb

    async def run_task(self, task: Task) -> Reply:
        """Send a task and wait for the reply.

        Raises WorkerDiedError, TimeoutError, or ValueError for a reply that cannot be read; then the worker must
        be replaced.
        """
        self._jobs += 1
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was started with a pipe
        with suppress(BrokenPipeError, ConnectionResetError):  # the process has died, which reading the reply detects
            stdin.write(task.model_dump_json().encode() + b"\n")
            await stdin.drain()
        async with asyncio.timeout(self._limits.timeout_seconds):
            answer = await self._answer()
        self._peak_mb = answer.peak_mb
        return answer

    async def end(self) -> None:
        """Kill the process and wait until it has exited."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await until_ended(asyncio.ensure_future(self._process.wait()))
        await in_thread(remove_home, self._home)

    async def _answer(self) -> Reply:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it was started with a pipe
        line = await stdout.readline()
        if not line.endswith(b"\n"):
            raise WorkerDiedError(await self._process.wait())
        return Reply.model_validate_json(line)


async def _spawned(policy: Policy) -> asyncio.subprocess.Process:
    with starting(policy, os.environ) as start:
        return await asyncio.create_subprocess_exec(
            *start.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=start.environment,
            pass_fds=start.descriptors,
            limit=SIGNATURE_LIMIT * 2,
        )


def _policy(limits: WorkerLimits, models: Path, home: Path) -> Policy:
    """The sandbox policy: a worker may only read models and its own code.

    If the system lacks a part of the sandbox, the worker runs without it, since parsers do not run code from models.
    """
    return Policy(
        command=(*limits.command, str(limits.timeout_seconds)),
        environment=_environment() | {"HOME": str(home), "TMPDIR": str(home)},
        directory=str(home),
        execute=(*SYSTEM, *interpreter_paths(Path(sys.executable))),
        read=(*READABLE, *_code(), str(models)),
        write=(str(home),),
        dies_with_parent=True,
        limits=Limits(address_bytes=limits.memory_mb * MEBI),
        complete=False,
    )


def _code() -> tuple[str, ...]:
    """The directories of the worker's modules; in a checkout and in some images they are outside the environment."""
    origins = (spec.origin for name in MODULES if (spec := find_spec(name)))
    added = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return (*(str(Path(origin).parents[1]) for origin in origins if origin), *map(os.path.abspath, added))


def _environment() -> dict[str, str]:
    """The worker's environment, without secrets. One thread and one arena, since address space is limited."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
    return {name: os.environ[name] for name in KEPT if name in os.environ} | one
