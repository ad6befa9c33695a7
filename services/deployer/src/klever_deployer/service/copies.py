"""Copies of the last state of each serving, in memory and on disk, in case the bucket loses it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from klever_deployer.domain.followed_tags import FollowIndex
from klever_deployer.ports import CopyStore, ServingCopy
from kleverproto.documents import Intent, Tombstone
from kleverproto.references import ModelRef
from kleverproto.rollouts import Revision, RolloutAction, RolloutStatus
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import Followed, ServingDocument, ServingPhase
from kleverroutes.versions import ServingName

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
SETTLED = frozenset({ServingPhase.READY, ServingPhase.FAILED, ServingPhase.DELETING})


class Copies:
    """The last document or tombstone of each serving.

    Args:
        store: the copies on disk.
    """

    def __init__(self, store: CopyStore) -> None:
        self._store = store
        self._known: dict[ServingName, ServingCopy] = {}
        self._index = FollowIndex()
        self._unwritten: set[ServingName] = set()
        self._problem: str | None = None
        self._lock = asyncio.Lock()
        self._is_read = False

    async def read(self) -> None:
        """Read the copies that an earlier deployer has written; later calls have no effect."""
        async with self._lock:
            if not self._is_read:
                self._known = await self._store.read() | self._known
                for serving, copy in self._known.items():
                    self._index.put(serving, _spec(copy))
                self._is_read = True

    def all(self) -> dict[ServingName, ServingCopy]:
        """All documents and tombstones."""
        return dict(self._known)

    def documents(self) -> list[ServingDocument]:
        """The servings that are not deleted."""
        return [copy for copy in self._known.values() if isinstance(copy, ServingDocument)]

    def followers(self, ref: ModelRef) -> frozenset[ServingName]:
        """The servings that follow a tag."""
        return self._index.followers(ref)

    def last(self, serving: ServingName) -> ServingCopy | None:
        """The last document or tombstone of a serving, even if the bucket has removed its tombstone."""
        return self._known.get(serving)

    async def keep(self, serving: ServingName, copy: ServingCopy) -> None:
        """Keep the document or tombstone that the bucket holds. If it cannot be written, the check reports it."""
        before, self._known[serving] = self._known.get(serving), copy
        self._index.put(serving, _spec(copy))
        if serving not in self._unwritten and before is not None and _essence(before) == _essence(copy):
            return
        self._unwritten.add(serving)
        await self._write()

    async def forget(self, before: datetime) -> None:
        """Remove the tombstones of deletions before a time."""
        for serving, copy in self.all().items():
            if isinstance(copy, Tombstone) and copy.deleted_at < before:
                del self._known[serving]
                self._unwritten.add(serving)
        await self._write()

    async def run(self) -> None:
        """Retry failed writes periodically, until cancelled."""
        while True:
            await self.retry()
            await asyncio.sleep(RETRY_SECONDS)

    async def retry(self) -> None:
        """Retry failed writes once."""
        await self._write()

    async def check(self) -> str | None:
        """Readiness check: the reason why copies cannot be written, or None."""
        return self._problem

    async def _write(self) -> None:
        async with self._lock:
            try:
                for serving in sorted(self._unwritten):
                    await self._put(serving)
            except OSError as error:
                if self._problem is None:
                    log.warning("copies of servings not written, retrying", error=str(error))
                self._problem = f"copies of servings cannot be written in the deployer's home: {error}"
            else:
                self._problem = None

    async def _put(self, serving: ServingName) -> None:
        """Raises OSError."""
        self._unwritten.discard(serving)  # a change during this write is written again
        copy = self._known.get(serving)
        try:
            await (self._store.write(serving, copy) if copy is not None else self._store.remove(serving))
        except BaseException:
            self._unwritten.add(serving)
            raise


def _spec(copy: ServingCopy) -> ServingSpec | None:
    return copy.spec if isinstance(copy, ServingDocument) else None


@dataclass(frozen=True)
class _Steered:
    """The part of a rollout that a restored serving resumes."""

    weight: int
    paused: bool
    action: RolloutAction | None
    sequence: int


@dataclass(frozen=True)
class _Essence:
    """The part of a serving that must be restored; the rest is derived from it, so its changes are not written."""

    spec: ServingSpec
    generation: int
    intent: Intent | None
    settled: ServingPhase | None
    observed_generation: int
    applied: ServingSpec | None
    revisions: tuple[Revision, ...]
    followed: Mapping[str, Followed]
    steered: _Steered | None


def _essence(copy: ServingCopy) -> _Essence | Tombstone[ServingDocument]:
    if isinstance(copy, Tombstone):
        return copy
    status = copy.status
    return _Essence(
        spec=copy.spec,
        generation=copy.generation,
        intent=status.intent,
        settled=status.phase if status.phase in SETTLED else None,
        observed_generation=status.observed_generation,
        applied=status.applied,
        revisions=status.revisions,
        followed=status.followed,
        steered=_steered(status.rollout),
    )


def _steered(rollout: RolloutStatus | None) -> _Steered | None:
    """The progress and requested actions of a rollout; None if it has only begun."""
    if rollout is None or not (rollout.weight or rollout.paused or rollout.action or rollout.steered):
        return None
    return _Steered(rollout.weight, rollout.paused, rollout.action, rollout.steered)
