"""Starts the processes, reports when they are ready, restarts them when they exit, and stops them."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import IO, Protocol

from klever.errors import PlatformError
from kleverkit.bounded_logs import truncate_if_large

from .child import Child, keep_previous, stop_leftovers
from .home import Home
from .own_credentials import provide_credentials
from .plan import Part, Urls
from .state import PlatformState, Running

READY_SECONDS = 60.0
"""Timeout for the start of a process on a slow machine."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
LOOK_SECONDS = 1.0
STEADY_SECONDS = 30.0
"""A process that ran this long is restarted without a pause."""


class Reporter(Protocol):
    """Shows the state of the platform to a person."""

    def ready(self, part: Part, seconds: float) -> None:
        """A process is ready. `seconds` is the time since its start."""
        ...

    def died(self, part: Part, code: int) -> None:
        """A process has exited and is restarted."""
        ...

    def failed(self, part: Part, reason: str) -> None:
        """A process cannot be restarted now. Retries continue."""
        ...


class Supervisor:
    """A running platform.

    Args:
        home: directory of its state.
        parts: the processes.
        urls: the addresses for other commands.
        reporter: receives changes of the state.
        allow_commands: whether servings may run programs of users who deploy, for `klever status`.
    """

    def __init__(
        self, home: Home, parts: Sequence[Part], urls: Urls, reporter: Reporter, *, allow_commands: bool = False
    ) -> None:
        self._home = home
        self._parts = parts
        self._urls = urls
        self._reporter = reporter
        self._allow_commands = allow_commands
        self._children: dict[str, Child] = {}
        self._failures: dict[str, str] = {}
        self._is_state_old = False
        self._ready = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the platform during the block.

        Raises:
            PlatformError: another platform runs with this home, or a process does not start.
        """
        self._home.create()
        with locked(self._home):
            await asyncio.to_thread(stop_leftovers, self._home)
            provide_credentials(self._home)
            for part in self._parts:
                keep_previous(self._home.log_of(part.name))
            keepers: list[asyncio.Task[None]] = []
            try:
                await self._start_all()
                keepers = [asyncio.create_task(self._keep_running(part)) for part in self._parts]
                keepers.append(asyncio.create_task(self._maintain_files()))
                yield
            finally:
                for keeper in keepers:
                    keeper.cancel()
                await asyncio.gather(*keepers, return_exceptions=True)
                await self._stop_all()

    async def _start_all(self) -> None:
        started = time.monotonic()
        starts = [asyncio.create_task(self._start(part, started)) for part in self._parts]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            raise
        self._ready = True
        self._write_state()
        if self._is_state_old:
            raise PlatformError(f"{self._home.state} cannot be written: free some space, and start again")

    async def _start(self, part: Part, started: float) -> None:
        child = await self._spawn(part)
        if not await child.wait_ready(READY_SECONDS):
            log = self._home.log_of(part.name)
            raise PlatformError(f"the {part.name} did not start; its log, {log}, ends with:\n{child.last_lines()}")
        self._reporter.ready(part, time.monotonic() - started)

    async def _spawn(self, part: Part) -> Child:
        """Start a process. Raises OSError if no process can be started or the log cannot be written."""
        child = await Child.spawn(part, self._home.log_of(part.name))
        self._children[part.name] = child
        self._failures.pop(part.name, None)
        self._write_state()
        return child

    async def _keep_running(self, part: Part) -> None:
        """Restart the process whenever it exits, with increasing pauses if it exits soon."""
        pause = FIRST_PAUSE
        while True:
            child = self._children[part.name]
            code = await child.process.wait()
            steady = time.monotonic() - child.begun > STEADY_SECONDS
            pause = FIRST_PAUSE if steady else min(pause * 2, LONGEST_PAUSE)
            with suppress(OSError):  # the output is closed, or the disk is full
                self._reporter.died(part, code)
            await asyncio.sleep(pause)
            await self._start_again(part)

    async def _start_again(self, part: Part) -> None:
        """Restart the process, with retries."""
        started = time.monotonic()
        while True:
            try:
                child = await self._spawn(part)
            except OSError as error:
                self._failures[part.name] = str(error)
                self._write_state()
                with suppress(OSError):
                    self._reporter.failed(part, str(error))
                await asyncio.sleep(LONGEST_PAUSE)
            else:
                break
        if await child.wait_ready(READY_SECONDS):
            with suppress(OSError):
                self._reporter.ready(part, time.monotonic() - started)

    async def _maintain_files(self) -> None:
        """Rotate large logs, and retry to write the state if the disk was full."""
        while True:
            for log in self._home.logs.glob("*.log"):
                with suppress(OSError):
                    await asyncio.to_thread(truncate_if_large, log)
            if self._is_state_old:
                self._write_state()
            await asyncio.sleep(LOOK_SECONDS)

    async def _stop_all(self) -> None:
        """Stop all processes in reverse order, so that none loses its dependencies while it shuts down."""
        for part in reversed(self._parts):
            if child := self._children.get(part.name):
                await child.stop()
        await asyncio.to_thread(stop_leftovers, self._home)
        self._home.state.unlink(missing_ok=True)

    def _write_state(self) -> None:
        """Write the state. On a full disk, the platform keeps running, and the write is retried later."""
        running = {
            name: replace(child.running, failure=self._failures.get(name, "")) for name, child in self._children.items()
        }
        try:
            supervisor = Running.from_pid(os.getpid())
            state = PlatformState(supervisor, self._urls, running, self._ready, self._allow_commands)
            state.write(self._home.state)
        except OSError:
            self._is_state_old = True
        else:
            self._is_state_old = False


async def stop_earlier(home: Home) -> None:
    """Stop the remaining processes of a killed platform with this home, so that its ports are free again.

    Raises:
        PlatformError: a platform runs with this home.
    """
    home.create()
    with locked(home):
        await asyncio.to_thread(stop_leftovers, home)


def locked(home: Home) -> IO[str]:
    """Return the locked file of a home that no platform uses.

    The lock is released when the file is closed or the process exits, even if it crashes.

    Raises:
        PlatformError: a platform runs with this home.
    """
    lock = home.lock.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise already_running(home) from error
    return lock


def already_running(home: Home) -> PlatformError:
    """Return the error for a home that is in use."""
    return PlatformError(
        f"a platform is already running with {home.path}: `klever status` shows it, `klever down` stops it; "
        "KLEVER_HOME=<other directory> starts a second one"
    )
