"""One worker per serving: converges when woken, restarts on a newer intent, and retries after failures."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from opentelemetry import trace
from opentelemetry.context import Context, get_current
from prometheus_client import Histogram

from klever_deployer.domain.availability import is_applied
from klever_deployer.domain.intents import Known
from klever_deployer.ports import Backend
from kleverkit.documents import Buried
from kleverkit.errors import TransientError
from kleverkit.metrics import observe
from kleverproto.servings import ServingDocument
from kleverproto.streams import SERVINGS
from kleverroutes.versions import ServingName

from .records import Records, SupersededError, name_of, name_of_key
from .restorer import Restorer
from .rollout import Rollout

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0


@dataclass
class _Worker:
    """A serving's worker, and the events that wake it."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    intent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a newer intent may supersede the current work."""
    trace: Context | None = None
    """The trace of the last intent, until it is applied."""
    task: asyncio.Task[None] | None = None


class Reconciler:
    """Reconciles all servings of this deployer.

    Args:
        records: documents and tombstones.
        restorer: lists all servings, and restores lost ones.
        rollout: applies one serving.
        backend: reports changed servings; unused models are removed from it.
        clock: the present.
        resync_seconds: interval at which all servings are reconciled.
        duration: measures the reconciliations of one serving.
    """

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        *,
        records: Records,
        restorer: Restorer,
        rollout: Rollout,
        backend: Backend,
        clock: Callable[[], datetime],
        resync_seconds: float,
        duration: Histogram,
    ) -> None:
        self._records = records
        self._restorer = restorer
        self._rollout = rollout
        self._backend = backend
        self._clock = clock
        self._resync_seconds = resync_seconds
        self._duration = duration
        self._is_running = False
        self._workers: dict[ServingName, _Worker] = {}
        self.unexplained: set[ServingName] = set()
        """Servings with replicas or a route, but no document or tombstone: nothing proves that they were deleted."""

    def intend(self, serving: ServingName) -> None:
        """Interrupts the worker of a serving for which an intent was recorded, and starts it again.

        Nothing happens while the reconciler does not run: it reads all servings when it starts.
        """
        if self._is_running:
            worker = self._worker(serving)
            worker.trace = get_current()
            worker.intent.set()
            worker.wake.set()

    async def run(self) -> None:
        """Reconciles all servings periodically, and changed servings at once; the workers stop with it."""
        self._is_running = True
        self._rollout.servers.begin()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch(self._backend.workloads.changed))
                group.create_task(self._watch(self._backend.scaling.changed))
                group.create_task(self._watch(self._restorer.changed))
                group.create_task(self._resync())
        finally:
            self._is_running = False
            tasks = [worker.task for worker in self._workers.values() if worker.task is not None]
            self._workers.clear()
            await _cancel_all(tasks)

    async def _watch(self, changed: Callable[[], Awaitable[set[ServingName]]]) -> None:
        while True:
            for serving in await changed():
                self._worker(serving).wake.set()

    async def _resync(self) -> None:
        while True:
            try:
                await self._wake_all()
            except TransientError as error:
                log.warning("servings not read, retrying", error=str(error))
            await asyncio.sleep(self._resync_seconds)

    async def _wake_all(self) -> None:
        """Wakes the workers of all servings, and of unknown ones that run; workers read documents before they act."""
        servings = await self._restorer.servings()
        names = {name_of(document) for document in servings.documents}
        running = {state.key.serving for state in self._backend.workloads.states()}
        running_or_routed = running | self._backend.data_plane.served()
        unannounced = {name_of_key(each.key) for each in servings.buried if not each.tombstone.announced}
        for name in names | running_or_routed | unannounced:
            self._worker(name).wake.set()
        is_proven = running_or_routed <= names | {name_of_key(each.key) for each in servings.buried}
        if is_proven and all(is_applied(document) for document in servings.documents):
            await self._backend.models.retain({each for document in servings.documents for each in _digests(document)})
        await self._forget(servings.buried)

    async def _forget(self, buried: tuple[Buried[ServingDocument], ...]) -> None:
        """Removes old tombstones; their copies are kept as long as a restored stream may hold requests."""
        await self._records.deletions.sweep(each for each in buried if each.tombstone.announced)
        await self._records.copies.forget(self._clock() - SERVINGS.max_age)

    def _worker(self, serving: ServingName) -> _Worker:
        worker = self._workers.setdefault(serving, _Worker())
        if worker.task is None or worker.task.done():
            worker.task = asyncio.create_task(self._run_worker(serving, worker))
        return worker

    async def _run_worker(self, serving: ServingName, worker: _Worker) -> None:
        """Converges the serving each time it is woken, until the serving is removed."""
        pause = FIRST_PAUSE
        while True:
            await worker.wake.wait()
            worker.wake.clear()
            worker.intent.clear()
            try:
                with self._measured(), _traced(serving, worker):
                    present = await self._converge_or_drop(serving, worker)
                pause = FIRST_PAUSE
                if not isinstance(present, ServingDocument) and not worker.wake.is_set():
                    self._workers.pop(serving, None)
                    return
            except SupersededError:
                worker.wake.set()
            except Exception as error:
                known = isinstance(error, TransientError)
                log.warning(
                    "serving not converged, retrying", serving=str(serving), error=str(error), exc_info=not known
                )
                await _wait_at_most(worker.wake, pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                worker.wake.set()

    @contextmanager
    def _measured(self) -> Iterator[None]:
        """Measures a reconciliation, which is the block. One that ends with the reconciler does not count."""
        began = time.perf_counter()
        try:
            yield
        except SupersededError:
            observe(self._duration.labels("superseded"), time.perf_counter() - began)
            raise
        except Exception:
            observe(self._duration.labels("error"), time.perf_counter() - began)
            raise
        observe(self._duration.labels("success"), time.perf_counter() - began)

    async def _converge_or_drop(self, serving: ServingName, worker: _Worker) -> Known:
        """Converges and returns what was stored. Raises SupersededError if a newer intent is recorded meanwhile."""
        work = asyncio.create_task(self._rollout.converge(serving))
        newer = asyncio.create_task(worker.intent.wait())
        try:
            await asyncio.wait({work, newer}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise SupersededError(str(serving))
            present = work.result()
            self._explain(serving, is_known=present is not None)
            return present
        finally:
            newer.cancel()
            work.cancel()
            await asyncio.gather(work, newer, return_exceptions=True)

    def _explain(self, serving: ServingName, *, is_known: bool) -> None:
        if is_known or not self._rollout.servers.exists(serving):
            self.unexplained.discard(serving)
        elif serving not in self.unexplained:
            log.error("a serving runs without document or tombstone; it is not changed", serving=str(serving))
            self.unexplained.add(serving)


@contextmanager
def _traced(serving: ServingName, worker: _Worker) -> Iterator[None]:
    """Continues the trace of the last intent while it is applied; work without an intent has no trace."""
    intent = worker.trace
    if intent is None:
        yield
        return
    with tracer.start_as_current_span("reconcile serving", intent, attributes={"klever.serving": str(serving)}):
        yield
    if worker.trace is intent:
        worker.trace = None


def _digests(document: ServingDocument) -> set[str]:
    """The digests of the applied models and of their conversions."""
    applied = document.status.applied
    made = {variant.made.rpartition("@")[2] for variant in document.status.variants if variant.made}
    return made | ({variant.digest for variant in applied.variants if variant.digest} if applied else set())


async def _cancel_all(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits until all have finished, even if this is cancelled meanwhile."""
    for task in tasks:
        task.cancel()
    ending = asyncio.gather(*tasks, return_exceptions=True)
    while not ending.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(ending)


async def _wait_at_most(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
