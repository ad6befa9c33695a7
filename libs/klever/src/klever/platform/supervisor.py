"""Starts the parts, says when each is ready, starts again what dies, and stops everything."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import IO, Protocol

from klever.errors import PlatformError

from .child import Child, keep_previous, stop_leftovers
from .home import Home
from .plan import Part, Urls
from .state import PlatformState, Running

READY_SECONDS = 60.0
"""Longest start of a part on a slow machine."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
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


class Supervisor:
    """One platform.

    Args:
        home: where it keeps its state.
        parts: what to run.
        urls: what to tell others.
        reporter: whom to tell.
    """

    def __init__(self, home: Home, parts: Sequence[Part], urls: Urls, reporter: Reporter) -> None:
        self._home = home
        self._parts = parts
        self._urls = urls
        self._reporter = reporter
        self._children: dict[str, Child] = {}
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
            for part in self._parts:
                keep_previous(self._home.log_of(part.name))
            keepers: list[asyncio.Task[None]] = []
            try:
                await self._start_all()
                keepers = [asyncio.create_task(self._keep(part)) for part in self._parts]
                yield
            finally:
                for keeper in keepers:
                    keeper.cancel()
                await asyncio.gather(*keepers, return_exceptions=True)
                await self._stop_all()

    async def _start_all(self) -> None:
        begun = time.monotonic()
        starts = [asyncio.create_task(self._start(part, begun)) for part in self._parts]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            raise
        self._ready = True
        self._write_state()

    async def _start(self, part: Part, begun: float) -> None:
        child = await self._spawn(part)
        if not await child.wait_ready(READY_SECONDS):
            log = self._home.log_of(part.name)
            raise PlatformError(f"the {part.name} did not start; its log, {log}, ends with:\n{child.last_lines()}")
        self._reporter.ready(part, time.monotonic() - begun)

    async def _spawn(self, part: Part) -> Child:
        child = await Child.spawn(part, self._home.log_of(part.name))
        self._children[part.name] = child
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
            self._reporter.died(part, code)
            await asyncio.sleep(pause)
            begun = time.monotonic()
            child = await self._spawn(part)
            if await child.wait_ready(READY_SECONDS):
                self._reporter.ready(part, time.monotonic() - begun)

    async def _stop_all(self) -> None:
        """In the reverse order: nobody loses what it needs while it finishes."""
        for part in reversed(self._parts):
            if child := self._children.get(part.name):
                await child.stop()
        await asyncio.to_thread(stop_leftovers, self._home)
        self._home.state.unlink(missing_ok=True)

    def _write_state(self) -> None:
        running = {name: child.running for name, child in self._children.items()}
        PlatformState(Running.of(os.getpid()), self._urls, running, self._ready).write(self._home.state)


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
