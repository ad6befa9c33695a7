"""What this deployer knows of its servings when their bucket does not: the last of each, in memory and on its disk."""

import asyncio
from datetime import datetime
from typing import Any

import structlog

from klever_deployer.domain.versions import ServingName
from klever_deployer.ports import CopyStore, ServingCopy
from kleverproto.documents import Tombstone
from kleverproto.servings import ServingDocument, ServingPhase

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
SETTLED = frozenset({ServingPhase.READY, ServingPhase.FAILED, ServingPhase.DELETING})


class Copies:
    """The last of each serving.

    Args:
        store: the copies on disk.
    """

    def __init__(self, store: CopyStore) -> None:
        self._store = store
        self._known: dict[ServingName, ServingCopy] = {}
        self._unwritten: set[ServingName] = set()
        self._problem: str | None = None
        self._lock = asyncio.Lock()
        self._is_read = False

    async def read(self) -> None:
        """Read what an earlier deployer has left, once."""
        async with self._lock:
            if not self._is_read:
                self._known = await self._store.read() | self._known
                self._is_read = True

    def all(self) -> dict[ServingName, ServingCopy]:
        """Documents and tombstones."""
        return dict(self._known)

    def documents(self) -> list[ServingDocument]:
        """The servings that are not deleted."""
        return [copy for copy in self._known.values() if isinstance(copy, ServingDocument)]

    def last(self, serving: ServingName) -> ServingCopy | None:
        """What was stored of a serving last, also where its tombstone is forgotten."""
        return self._known.get(serving)

    async def keep(self, serving: ServingName, copy: ServingCopy) -> None:
        """Keep what the bucket holds. A disk that is full delays the copy and is a matter of readiness, no more."""
        before, self._known[serving] = self._known.get(serving), copy
        if serving not in self._unwritten and before is not None and _essence(before) == _essence(copy):
            return
        self._unwritten.add(serving)
        await self._write()

    async def forget(self, before: datetime) -> None:
        """Remove the tombstones from before a moment."""
        for serving, copy in self.all().items():
            if isinstance(copy, Tombstone) and copy.deleted_at < before:
                del self._known[serving]
                self._unwritten.add(serving)
        await self._write()

    async def run(self) -> None:
        """Write what could not be written, until cancelled."""
        while True:
            await self.retry()
            await asyncio.sleep(RETRY_SECONDS)

    async def retry(self) -> None:
        """Write what could not be written."""
        await self._write()

    async def check(self) -> str | None:
        """A readiness check."""
        return self._problem

    async def _write(self) -> None:
        async with self._lock:
            try:
                for serving in sorted(self._unwritten):
                    await self._put(serving)
            except OSError as error:
                if self._problem is None:
                    log.warning("copies of servings cannot be written", error=str(error))
                self._problem = f"copies of servings cannot be written in the deployer's home: {error}"
            else:
                self._problem = None

    async def _put(self, serving: ServingName) -> None:
        """Raises OSError."""
        self._unwritten.discard(serving)  # what changes while this is written is written again
        copy = self._known.get(serving)
        try:
            await (self._store.write(serving, copy) if copy is not None else self._store.remove(serving))
        except BaseException:
            self._unwritten.add(serving)
            raise


def _essence(copy: ServingCopy) -> Any:
    """What a restored serving begins with; the rest follows from it, and is not worth writing a copy for."""
    if isinstance(copy, Tombstone):
        return copy
    status, rollout = copy.status, copy.status.rollout
    phase = status.phase if status.phase in SETTLED else None
    done = (status.observed_generation, status.applied, status.revisions, status.followed)
    steered = (rollout.weight, rollout.paused, rollout.action, rollout.steered) if rollout else ()
    return copy.spec, copy.generation, status.intent, phase, done, steered if any(steered) else ()
