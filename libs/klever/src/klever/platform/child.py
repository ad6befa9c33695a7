"""One process of the platform, in a separate session: start, stop and kill."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import psutil

from .home import Home
from .plan import HOST, Part, without_proxies_to_itself
from .state import Running, processes_of

PROBE_SECONDS = 0.02
STOP_SECONDS = 20.0
"""The deployer waits for requests in flight; other processes stop earlier."""
PR_SET_PDEATHSIG = 1
OK = 200


class Child:
    """A running process of the platform."""

    def __init__(self, part: Part, process: asyncio.subprocess.Process, log: Path) -> None:
        self.part = part
        self.process = process
        self.begun = time.monotonic()
        self.running = Running.from_pid(process.pid, part.url)
        self._log = log

    @classmethod
    async def spawn(cls, part: Part, log: Path) -> "Child":
        """Start the process. Ctrl-C in the terminal reaches only the supervisor, which stops the processes in order."""
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                env=without_proxies_to_itself(os.environ) | part.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent(),
            )
        return cls(part, process, log)

    async def wait_ready(self, seconds: float) -> bool:
        """Wait until the process is ready; False after a timeout in seconds, or if it exits."""
        deadline = time.monotonic() + seconds
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while self.process.returncode is None and time.monotonic() < deadline:
                if await self._is_ready(session):
                    return True
                await asyncio.sleep(PROBE_SECONDS)
        return False

    async def stop(self) -> None:
        """Terminate the process, and kill it after a grace period."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    def last_lines(self, count: int = 8) -> str:
        """Return the last lines of the log."""
        lines = self._log.read_text(errors="replace").splitlines()[-count:]
        return "\n".join(f"    {line[:300]}" for line in lines) or "    (nothing)"

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            if self.part.probe == "tcp":
                _, writer = await asyncio.open_connection(HOST, self.part.port)
                writer.close()
                return True
            async with session.get(f"http://{HOST}:{self.part.port}/readyz") as response:
                return response.status == OK
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False


def stop_leftovers(home: Home) -> list[int]:
    """Stop all processes that an earlier platform of this home has left; return their ids."""
    processes = processes_of(home.path)
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=5)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)
    return [process.pid for process in processes]


def keep_previous(log: Path) -> None:
    """Start a new log file, and keep that of the previous run next to it."""
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))


def _die_with_parent() -> Callable[[], None] | None:
    """Return a function for the child process: the kernel terminates it when the supervisor is killed.

    Only Linux supports this; elsewhere `klever down` and the next `klever up` stop remaining processes. The library is
    loaded before the fork, since loading is not safe in the child of a process with threads.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # the supervisor exited before the call above
            os.kill(os.getpid(), signal.SIGTERM)

    return before_exec
