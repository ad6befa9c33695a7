"""Keeps the projection in step with the buckets."""

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
from kleverproto.base import WireModel

from .arrivals import Arrivals
from .owners import Owned

DocT = TypeVar("DocT", bound=WireModel)

LOOK_SECONDS = 2.0
ANSWER_SECONDS = 1.0
"""Longest wait of a readiness check for NATS."""
RESTORING_SECONDS = 20.0
"""How long the owner of a lost bucket takes to restore it; after that the gateway is ready with what it has."""
LAG_SECONDS = 0.5
"""How far the projection may be behind its bucket and still be ready."""

log = structlog.get_logger(__name__)


class Projector(Generic[DocT]):
    """Follows one bucket.

    A bucket that was created again, or restored from a backup, lacks documents that were not deleted; its owner
    restores them. Until then the last known ones are shown, as stale, and the gateway is not ready for as long as a
    restoration takes. Documents that the owner has not restored after `restore_seconds` are dropped.

    Args:
        owned: the bucket, and where its documents go.
        projection: what is kept up to date.
        arrivals: learns of each change.
        restore_seconds: how long stale documents are shown; 0 where the owner restores none.
        look_seconds: after how long without a change the bucket is checked for changes that have not arrived.
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
        self._seen: Incarnation | None = None
        self._filled_at = clock()

    async def run(self) -> None:
        """The background loop: follows the bucket, and reads all of it if changes have not arrived."""
        while True:
            self._seen = None
            await self._follow(self._owned.documents.changes())

    async def check(self) -> str | None:
        """A readiness check: whether the projection is what the bucket is now."""
        if self._seen is None:
            return f"the {self._collection} have not been read yet"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                now = await self._owned.documents.incarnation()
        except (TransientError, TimeoutError) as error:
            return f"the {self._collection} are shown as they were last known: {str(error) or 'NATS does not answer'}"
        if not await self._arrivals.until(partial(self._has_reached, now), LAG_SECONDS):
            return f"the {self._collection} are shown as they were last known: newer changes have not arrived yet"
        stale = await self._projection.stale(self._collection)
        if stale and self._clock() - self._filled_at < RESTORING_SECONDS:
            return f"{stale} {self._collection} are shown as they were last known: their bucket has lost them"
        return None

    async def _follow(self, changes: AsyncIterator[Snapshot[DocT] | Change[DocT]]) -> None:
        """Take every step, until some have not arrived."""
        coming = asyncio.ensure_future(anext(changes))
        missing = False
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=self._look_seconds)
                await self._give_up_stale()
                if done:
                    await self._take(coming.result())
                    coming, missing = asyncio.ensure_future(anext(changes)), False
                elif not await self._is_behind():
                    missing = False
                elif missing:
                    log.warning("changes did not arrive: the bucket is read again", collection=self._collection)
                    return
                else:
                    missing = True
        finally:
            coming.cancel()
            await asyncio.wait({coming})

    async def _take(self, step: Snapshot[DocT] | Change[DocT]) -> None:
        if isinstance(step, Snapshot):
            await self._fill(step)
        elif self._seen is not None:
            await self._projection.apply(self._collection, self._owned.changed(step))
            self._seen = Incarnation(self._seen.created, max(self._seen.last_sequence, step.revision))
        self._arrivals.announce()

    async def _fill(self, snapshot: Snapshot[DocT]) -> None:
        verdict = compare(await self._projection.remembered(self._collection), snapshot.incarnation)
        rows = [*map(self._owned.row, snapshot.documents), *map(self._owned.row, snapshot.buried)]
        keep = verdict is not Verdict.SAME and self._restore_seconds > 0
        await self._projection.replace(self._collection, rows, snapshot.incarnation, keep_missing=keep)
        self._seen, self._filled_at = snapshot.incarnation, self._clock() if keep else self._filled_at
        report = log.info if verdict is Verdict.SAME else log.error
        report("projection filled", collection=self._collection, documents=len(snapshot.documents), bucket=verdict)

    async def _has_reached(self, bucket: Incarnation) -> bool | None:
        """True once every change up to then is in the projection."""
        seen = self._seen
        if seen is None or seen.created != bucket.created:
            return None
        return seen.last_sequence >= bucket.last_sequence or None

    async def _is_behind(self) -> bool:
        """Whether the bucket holds what has not arrived; one that does not answer is waited for."""
        try:
            return not await self._has_reached(await self._owned.documents.incarnation())
        except TransientError:
            return False

    async def _give_up_stale(self) -> None:
        if self._clock() - self._filled_at < self._restore_seconds:
            return
        if lost := await self._projection.stale(self._collection):
            await self._projection.drop_stale(self._collection)
            log.error("documents were not restored by their owner", collection=self._collection, lost=lost)
