"""One worker for each serving: converges when woken, begins again when a newer intent comes, tries again on failure."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from klever_deployer.domain.replicas import ServingName
from klever_deployer.ports import DataPlane, ModelStore, Workloads
from kleverkit.errors import TransientError
from kleverproto.servings import ServingDocument, ServingPhase

from .outcomes import is_untold
from .records import Records, SupersededError
from .rollout import Rollout
from .scaling import Scaler

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
TOMBSTONE_AGE = timedelta(hours=1)
"""Longer than any redelivery of a request from before the deletion."""


@dataclass
class _Desk:
    """A serving's worker, and how to wake it."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    intent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when what is being done may no longer be wanted."""
    task: asyncio.Task[None] | None = None


class Reconciler:
    """All servings of this deployer.

    Args:
        records: which servings there are.
        rollout: applies one.
        workloads: tells of replicas that changed.
        scaler: tells of numbers of replicas that should change.
        data_plane: routes of servings that are gone are removed from it.
        store: models that nothing serves any more are removed from it.
        clock: the present.
        resync_seconds: pause between two looks at everything.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        *,
        records: Records,
        rollout: Rollout,
        workloads: Workloads,
        scaler: Scaler,
        data_plane: DataPlane,
        store: ModelStore,
        clock: Callable[[], datetime],
        resync_seconds: float,
    ) -> None:
        self._records = records
        self._rollout = rollout
        self._workloads = workloads
        self._scaler = scaler
        self._data_plane = data_plane
        self._store = store
        self._clock = clock
        self._resync_seconds = resync_seconds
        self._desks: dict[ServingName, _Desk] = {}

    def intend(self, serving: ServingName) -> None:
        """An intent was recorded: drop what is being done for the serving, and look again."""
        desk = self._desk(serving)
        desk.intent.set()
        desk.wake.set()

    async def run(self) -> None:
        """Look at everything now and then, and at once at what changes; workers end with this."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(self._workloads.changed))
                group.create_task(self._watch(self._scaler.changed))
                group.create_task(self._resync())
        finally:
            for desk in self._desks.values():
                if desk.task is not None:
                    desk.task.cancel()
            self._desks.clear()

    async def _watch(self, changed: Callable[[], Awaitable[set[ServingName]]]) -> None:
        while True:
            for serving in await changed():
                self._desk(serving).wake.set()

    async def _resync(self) -> None:
        while True:
            try:
                await self._look_at_everything()
            except TransientError as error:
                log.warning("cannot read the servings now", error=str(error))
            await asyncio.sleep(self._resync_seconds)

    async def _look_at_everything(self) -> None:
        documents = await self._records.all()
        alive = [document for document in documents if document.status.phase is not ServingPhase.DELETED]
        # First, while what was read still holds: a request that comes meanwhile may need a model that is here.
        if all(document.status.phase in {ServingPhase.READY, ServingPhase.FAILED} for document in alive):
            await self._store.keep_only({digest for document in alive for digest in _digests(document)})
        names = {ServingName(document.namespace, document.name) for document in alive}
        for state in self._workloads.states():
            if state.key.serving not in names:
                log.info("stopping a model server that no serving needs", replica=state.key.id)
                await self._workloads.stop(state.key)
        for name in self._data_plane.served() - names:
            await self._data_plane.remove(name)
        untold = {ServingName(document.namespace, document.name) for document in documents if is_untold(document)}
        for name in names | untold:
            self._desk(name).wake.set()
        await self._records.purge(self._clock() - TOMBSTONE_AGE)

    def _desk(self, serving: ServingName) -> _Desk:
        desk = self._desks.setdefault(serving, _Desk())
        if desk.task is None or desk.task.done():
            desk.task = asyncio.create_task(self._work(serving, desk))
        return desk

    async def _work(self, serving: ServingName, desk: _Desk) -> None:
        pause = FIRST_PAUSE
        while True:
            await desk.wake.wait()
            desk.wake.clear()
            desk.intent.clear()
            try:
                await self._converge_or_drop(serving, desk)
                pause = FIRST_PAUSE
            except SupersededError:
                desk.wake.set()
            except Exception as error:
                known = isinstance(error, TransientError)
                log.warning("serving not converged", serving=str(serving), error=str(error), exc_info=not known)
                await _pause_or(desk.wake, pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                desk.wake.set()

    async def _converge_or_drop(self, serving: ServingName, desk: _Desk) -> None:
        """Converge, unless a newer intent comes first. Raises SupersededError."""
        work = asyncio.create_task(self._rollout.converge(serving))
        newer = asyncio.create_task(desk.intent.wait())
        try:
            await asyncio.wait({work, newer}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise SupersededError(str(serving))
            work.result()
        finally:
            newer.cancel()
            work.cancel()
            await asyncio.gather(work, newer, return_exceptions=True)


def _digests(document: ServingDocument) -> set[str]:
    """Of what serves, and of what was made of it."""
    applied = document.status.applied
    made = {variant.made.rpartition("@")[2] for variant in document.status.variants if variant.made}
    return made | ({variant.digest for variant in applied.variants if variant.digest} if applied else set())


async def _pause_or(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
