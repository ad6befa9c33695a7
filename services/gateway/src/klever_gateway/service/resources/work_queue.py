"""A queue of keys to reconcile."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

from kleverkit.errors import KleverError
from kleverkit.repeats import Repeats
from kleverkit.tasks import cancel

KeyT = TypeVar("KeyT", bound=Hashable)

WORKERS = 32
"""Most of them wait: a request for a missing model waits until it may have been pushed."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
"""Seconds between two tries of a key; they double."""

log = structlog.get_logger(__name__)


class WorkQueue(Generic[KeyT]):
    """Reconciles keys: each by one worker at a time, again if it changed meanwhile, and after a pause if it failed.

    Args:
        reconcile: reconciles a key; returns the number of seconds after which to reconcile it again, or None.
        workers: keys that are reconciled at the same time.
    """

    def __init__(self, reconcile: Callable[[KeyT], Awaitable[float | None]], *, workers: int = WORKERS) -> None:
        self._reconcile = reconcile
        self._workers = workers
        self._waiting: dict[KeyT, None] = {}
        self._active: set[KeyT] = set()
        self._timers: dict[KeyT, asyncio.TimerHandle] = {}
        self._failures: dict[KeyT, int] = {}
        self._wake = asyncio.Event()
        self._repeats = Repeats()

    def add(self, key: KeyT) -> None:
        """Reconcile a key soon."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        self._waiting[key] = None
        self._wake.set()

    async def run(self) -> None:
        """Run the workers until cancelled."""
        workers = [asyncio.create_task(self._run_worker()) for _ in range(self._workers)]
        try:
            await asyncio.gather(*workers)
        finally:
            await cancel(workers)
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _run_worker(self) -> None:
        while True:
            key = next((each for each in self._waiting if each not in self._active), None)
            if key is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            del self._waiting[key]
            self._active.add(key)
            try:
                pause = await self._try(key)
            finally:
                self._active.discard(key)
            if key in self._waiting:
                self._wake.set()
            elif pause is not None:
                self._timers[key] = asyncio.get_running_loop().call_later(pause, self.add, key)

    async def _try(self, key: KeyT) -> float | None:
        """Reconcile a key. Return the number of seconds to wait before the next time, or None."""
        try:
            pause = await self._reconcile(key)
        except Exception as error:  # noqa: BLE001 - one key must not stop the others
            return self._pause_after(key, error)
        self._failures.pop(key, None)
        return pause

    def _pause_after(self, key: KeyT, error: Exception) -> float:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        if self._repeats.is_new((key, str(error))):
            unknown = error if not isinstance(error, KleverError) else None
            log.warning("resource not reconciled, retrying", resource=str(key), error=str(error), exc_info=unknown)
        longest = min(FIRST_PAUSE * 2 ** min(failures, 20), LONGEST_PAUSE)
        return random.uniform(longest / 2, longest)  # noqa: S311 - no secret
