"""Keeps the projection up to date with the buckets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Generic, TypeVar

import structlog

from klever_gateway.ports import Projection
from kleverkit.documents import Change, Incarnation, Snapshot
from kleverkit.errors import TransientError
from kleverkit.incarnations import Verdict, compare
from kleverkit.tasks import cancel
from kleverproto.base import WireModel

from .arrivals import Arrival, Arrivals
from .owners import Owned

DocT = TypeVar("DocT", bound=WireModel)

LOOK_SECONDS = 2.0
ANSWER_SECONDS = 1.0
"""Longest wait of a readiness check for NATS."""
RESTORING_SECONDS = 20.0
"""Time for the owner of a lost bucket to restore it; after that the gateway is ready with stale documents."""
LAG_SECONDS = 0.5
"""Longest lag behind the bucket at which the gateway is ready."""

log = structlog.get_logger(__name__)


class Projector(Generic[DocT]):
    """Follows one bucket.

    A bucket that was created again, or restored from a backup, lacks documents that were not deleted. Its owner
    restores them. Until then, the gateway shows the last known documents as stale, and is not ready for
    `RESTORING_SECONDS`. It drops documents that the owner has not restored after `restore_seconds`.

    Args:
        owned: the bucket and its collection.
        projection: the projection to update.
        arrivals: receives a notification of each change.
        restore_seconds: time for which stale documents are shown; 0 if the owner does not restore documents.
        look_seconds: time without a change after which the bucket is checked for changes that have not arrived.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        owned: Owned[DocT],
        *,
        projection: Projection,
        arrivals: Arrivals,
        restore_seconds: float,
        look_seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collection = owned.collection
        self._owned = owned
        self._projection = projection
        self._arrivals = arrivals
        self._restore_seconds = restore_seconds
        self._look_seconds = look_seconds
        self._clock = clock
        self._incarnation: Incarnation | None = None
        self._filled_at = clock()

    async def run(self) -> None:
        """Follow the bucket forever. Reads the whole bucket again if changes have not arrived."""
        while True:
            self._incarnation = None
            await self._follow(self._owned.documents.changes())

    async def check(self) -> str | None:
        """Readiness check: return a problem while the projection differs from the bucket."""
        if self._incarnation is None:
            return f"the {self._collection} have not been read yet"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                now = await self._owned.documents.incarnation()
        except (TransientError, TimeoutError) as error:
            return f"the {self._collection} are shown as they were last known: {str(error) or 'NATS does not answer'}"
        if not await self._arrivals.wait_for(partial(self._has_reached, now), LAG_SECONDS):
            return f"the {self._collection} are shown as they were last known: newer changes have not arrived yet"
        stale = await self._projection.stale(self._collection)
        if stale and self._clock() - self._filled_at < RESTORING_SECONDS:
            return f"{stale} {self._collection} are shown as they were last known: their bucket has lost them"
        return None

    async def _follow(self, changes: AsyncIterator[Snapshot[DocT] | Change[DocT]]) -> None:
        """Apply every step. Returns if changes have not arrived."""
        next_step = asyncio.ensure_future(anext(changes))
        missing = False
        try:
            while True:
                done, _ = await asyncio.wait({next_step}, timeout=self._look_seconds)
                await self._drop_stale()
                if done:
                    await self._apply(next_step.result())
                    next_step, missing = asyncio.ensure_future(anext(changes)), False
                elif not await self._is_behind():
                    missing = False
                elif missing:
                    log.warning("changes did not arrive: the bucket is read again", collection=self._collection)
                    return
                else:
                    missing = True
        finally:
            await cancel([next_step])

    async def _apply(self, step: Snapshot[DocT] | Change[DocT]) -> None:
        key = None if isinstance(step, Snapshot) else step.key
        if isinstance(step, Snapshot):
            await self._fill(step)
        elif self._incarnation is not None:
            await self._projection.apply(self._collection, self._owned.changed(step))
            last = max(self._incarnation.last_sequence, step.revision)
            self._incarnation = Incarnation(self._incarnation.created, last)
        self._arrivals.announce(Arrival(self._collection, key))

    async def _fill(self, snapshot: Snapshot[DocT]) -> None:
        verdict = compare(await self._projection.last_incarnation(self._collection), snapshot.incarnation)
        rows = [*map(self._owned.row, snapshot.documents), *map(self._owned.row, snapshot.buried)]
        keep = verdict is not Verdict.SAME and self._restore_seconds > 0
        await self._projection.replace(self._collection, rows, snapshot.incarnation, keep_missing=keep)
        self._incarnation, self._filled_at = snapshot.incarnation, self._clock() if keep else self._filled_at
        report = log.info if verdict is Verdict.SAME else log.error
        report("projection filled", collection=self._collection, documents=len(snapshot.documents), bucket=verdict)

    async def _has_reached(self, bucket: Incarnation) -> bool | None:
        """Return True if the projection has every change up to this incarnation, else None."""
        projected = self._incarnation
        if projected is None or projected.created != bucket.created:
            return None
        return projected.last_sequence >= bucket.last_sequence or None

    async def _is_behind(self) -> bool:
        """Return whether the bucket has changes that have not arrived; False if it does not answer."""
        try:
            return not await self._has_reached(await self._owned.documents.incarnation())
        except TransientError:
            return False

    async def _drop_stale(self) -> None:
        if self._clock() - self._filled_at < self._restore_seconds:
            return
        if lost := await self._projection.stale(self._collection):
            await self._projection.drop_stale(self._collection)
            log.error("documents were not restored by their owner", collection=self._collection, lost=lost)
