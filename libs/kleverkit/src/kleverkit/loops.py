"""Background loops that are restarted after failures, and report repeated failures to readiness."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import structlog

from .repeats import Repeats
from .tasks import cancel

log = structlog.get_logger(__name__)

Loop = Callable[[], Awaitable[None]]

PAUSE_SECONDS = 1.0
TOLERATED_FAILURES = 1
"""Consecutive failures that are not reported as a problem."""
SHORT_RUN_SECONDS = 60.0
"""A run that lasted longer resets the count of failures."""
TRUSTED_SECONDS = 3.0
"""Shortest duration of a run after which earlier failures are no longer reported."""


class BackgroundLoop:
    """Runs a loop forever: a failure is logged and the loop is restarted.

    Args:
        run: the loop; if it returns, it is started again.
        pause: seconds between two runs.
        clock: monotonic seconds.
    """

    def __init__(self, run: Loop, *, pause: float = PAUSE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = _name(run)
        self._run = run
        self._pause = pause
        self._clock = clock
        self._repeats = Repeats(clock=clock)
        self._failures = 0
        self._error = ""
        self._trusted_at = 0.0

    async def forever(self) -> None:
        """Run until cancelled."""
        while True:
            began = self._clock()
            try:
                await self._run()
            except Exception as error:  # noqa: BLE001 - a background loop must be restarted after any exception
                self._failed(error, lasted=self._clock() - began)
            await asyncio.sleep(self._pause)

    def problem(self) -> str | None:
        """Return a description of the problem while the loop keeps failing, or None."""
        if self._failures <= TOLERATED_FAILURES or self._clock() >= self._trusted_at:
            return None
        return f"{self.name} failed {self._failures} times in a row: {self._error}"

    def _failed(self, error: Exception, *, lasted: float) -> None:
        self._failures = self._failures + 1 if lasted < SHORT_RUN_SECONDS else 1
        self._error = f"{type(error).__name__}: {error}"
        self._trusted_at = self._clock() + self._pause + max(TRUSTED_SECONDS, 2 * min(lasted, SHORT_RUN_SECONDS))
        if self._repeats.is_new(_place(error)):
            log.error("background loop failed and is restarted", loop=self.name, exc_info=error)


def loops_check(loops: Iterable[BackgroundLoop]) -> Callable[[], Awaitable[str | None]]:
    """Create a readiness check that reports loops that keep failing."""

    async def check() -> str | None:
        return "; ".join(problem for loop in loops if (problem := loop.problem())) or None

    return check


class BackgroundLoops:
    """Loops that run together.

    Args:
        loops: a loop that fails is restarted while the others continue.
    """

    def __init__(self, loops: Iterable[Loop]) -> None:
        self._loops = [BackgroundLoop(loop) for loop in loops]
        self.problem = loops_check(self._loops)
        """Readiness check of the loops."""

    async def run(self) -> None:
        """Run until cancelled; all loops have ended then."""
        tasks = [asyncio.create_task(loop.forever()) for loop in self._loops]
        try:
            await asyncio.gather(*tasks)
        finally:
            await cancel(tasks)


def _place(error: Exception) -> tuple[str, str]:
    """The type of an error and the line that raised it, which identify an error despite numbers in its text."""
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__, f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _name(run: Loop) -> str:
    while isinstance(run, partial):
        run = run.func
    return str(getattr(run, "__qualname__", type(run).__name__))
