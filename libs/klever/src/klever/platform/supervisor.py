"""Starts the parts, says when each is ready, starts again what dies, and stops everything."""

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
from .nats_access import NatsAccess
from .own_secrets import provide_secret
from .plan import Part, Urls
from .state import PlatformState, Running

READY_SECONDS = 60.0
"""Longest start of a part on a slow machine."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
LOOK_SECONDS = 1.0
STEADY_SECONDS = 30.0
"""A part that ran this long is started again without a pause."""


class Reporter(Protocol):
    """Tells a person what happens."""

    def ready(self, part: Part, seconds: float) -> None:
        """A part takes work, so long after the start."""
        ...

    def died(self, part: Part, code: int) -> None:
        """A part ended by itself and is started again."""
        ...

    def failed(self, part: Part, reason: str) -> None:
        """A part cannot be started again now; that is tried on."""
        ...


class Supervisor:
    """One platform.

    Args:
        home: where it keeps its state.
        parts: what to run.
        urls: what to tell others.
        reporter: whom to tell.
        allow_commands: whether servings may run programs of those who deploy, as `klever status` shows it.
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
        """The platform, ready for the block and stopped after it.

        Raises:
            PlatformError: another platform runs with this home, or a part does not start.
        """
        self._home.create()
        with _locked(self._home):
            await asyncio.to_thread(stop_leftovers, self._home)
            NatsAccess(self._home.nats_files).prepare()
            provide_secret(self._home.token)
            provide_secret(self._home.registry_password)
            for part in self._parts:
                keep_previous(self._home.log_of(part.name))
            keepers: list[asyncio.Task[None]] = []
            try:
                await self._start_all()
                keepers = [asyncio.create_task(self._keep(part)) for part in self._parts]
                keepers.append(asyncio.create_task(self._look_after_files()))
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
        """Raises OSError: no process can be started, or no log be written."""
        child = await Child.spawn(part, self._home.log_of(part.name))
        self._children[part.name] = child
        self._failures.pop(part.name, None)
        self._write_state()
        return child

    async def _keep(self, part: Part) -> None:
        """Start the part again whenever it ends, with pauses that grow while it does not stay."""
        pause = FIRST_PAUSE
        while True:
            child = self._children[part.name]
            code = await child.process.wait()
            steady = time.monotonic() - child.begun > STEADY_SECONDS
            pause = FIRST_PAUSE if steady else min(pause * 2, LONGEST_PAUSE)
            with suppress(OSError):  # nobody reads, or the disk is full
                self._reporter.died(part, code)
            await asyncio.sleep(pause)
            await self._start_again(part)

    async def _start_again(self, part: Part) -> None:
        """Start it, as often as it takes."""
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

    async def _look_after_files(self) -> None:
        """Begin logs anew that are too large, and write the state where there was no space before."""
        while True:
            for log in self._home.logs.glob("*.log"):
                with suppress(OSError):
                    await asyncio.to_thread(truncate_if_large, log)
            if self._is_state_old:
                self._write_state()
            await asyncio.sleep(LOOK_SECONDS)

    async def _stop_all(self) -> None:
        """In the reverse order: nobody loses what it needs while it finishes."""
        for part in reversed(self._parts):
            if child := self._children.get(part.name):
                await child.stop()
        await asyncio.to_thread(stop_leftovers, self._home)
        self._home.state.unlink(missing_ok=True)

    def _write_state(self) -> None:
        """On a full disk the platform runs on; this is done once there is space."""
        running = {
            name: replace(child.running, failure=self._failures.get(name, "")) for name, child in self._children.items()
        }
        try:
            supervisor = Running.of(os.getpid())
            state = PlatformState(supervisor, self._urls, running, self._ready, self._allow_commands)
            state.write(self._home.state)
        except OSError:
            self._is_state_old = True
        else:
            self._is_state_old = False


async def stop_earlier(home: Home) -> None:
    """Stop what a killed platform with this home has left behind, so that its ports are free again.

    Raises:
        PlatformError: a platform runs with this home.
    """
    home.create()
    with _locked(home):
        await asyncio.to_thread(stop_leftovers, home)


def _locked(home: Home) -> IO[str]:
    """Held for as long as the file is open; the system lets go when the process ends, however it ends."""
    lock = home.lock.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise already_running(home) from error
    return lock


def already_running(home: Home) -> PlatformError:
    """What to say when a home is taken."""
    return PlatformError(
        f"a platform runs with {home.path} already: `klever status` shows it, `klever down` stops it; "
        "KLEVER_HOME=<other directory> starts a second one"
    )
