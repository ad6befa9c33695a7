"""Runs the reconciliation of custom resources."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from klever_gateway.domain.queries import Query
from klever_gateway.domain.resources.resource import ResourceKind, ResourceName
from klever_gateway.domain.rows import Collection
from klever_gateway.ports import Projection, ResourceStore
from klever_gateway.service.arrivals import Arrival, Arrivals
from kleverkit.errors import KleverError, TransientError
from kleverkit.repeats import Repeats
from kleverkit.tasks import cancel
from kleverproto import subjects
from kleverproto.jobs import JobDocument

from .job_mirror import JobMirror
from .work_queue import WorkQueue

RESYNC_SECONDS = 300.0
"""Interval at which all resources are reconciled, in case a change was missed."""
RETRY_SECONDS = 2.0
EVERYTHING = 2**31
"""Limit for a page with all items."""

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
Reconcile = Callable[[ResourceName], Awaitable[float | None]]


class ResourceController:
    """Reconciles resources when they or their documents change. Only one replica of the gateway runs it at a time.

    Args:
        store: the resources.
        reconcilers: reconcile the resources of each kind.
        mirror: shows jobs that no ModelJob has requested; None if such jobs are not shown.
        projection: the platform's documents.
        arrivals: notifications of changed documents.
        checks: return a problem while the projection differs from the buckets.
        resync_seconds: see RESYNC_SECONDS.
    """

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        *,
        store: ResourceStore,
        reconcilers: Mapping[ResourceKind, Reconcile],
        mirror: JobMirror | None,
        projection: Projection,
        arrivals: Arrivals,
        checks: Sequence[Check] = (),
        resync_seconds: float = RESYNC_SECONDS,
    ) -> None:
        self._store = store
        self._reconcilers = reconcilers
        self._mirror = mirror
        self._projection = projection
        self._arrivals = arrivals
        self._checks = checks
        self._resync_seconds = resync_seconds
        self._queue: WorkQueue[ResourceName | str] = WorkQueue(self._reconcile)
        self._stale = asyncio.Event()
        self._repeats = Repeats()

    async def run(self) -> None:
        """Reconcile until cancelled. Starts again if the resources cannot be read."""
        while True:
            try:
                await self._run()
            except KleverError as error:
                if self._repeats.is_new(str(error)):
                    log.warning("custom resources are not reconciled, retrying", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _run(self) -> None:
        """Reconcile until cancelled, once the projection shows what earlier controllers have requested."""
        if not await self._arrivals.wait_for(self._is_current, RETRY_SECONDS):
            raise TransientError("the documents have not been read yet")
        self._queue = WorkQueue(self._reconcile)
        async with self._store.following(self._queue.add):
            with self._arrivals.listening(self._on_arrival):
                tasks = [asyncio.create_task(self._queue.run()), asyncio.create_task(self._resync())]
                try:
                    await asyncio.gather(*tasks)
                finally:
                    await cancel(tasks)

    async def _is_current(self) -> bool | None:
        return not any([await check() for check in self._checks]) or None

    async def _reconcile(self, key: ResourceName | str) -> float | None:
        """Reconcile a resource, or show the job with a key."""
        if isinstance(key, ResourceName):
            return await self._reconcilers[key.kind](key)
        return await self._mirror.show(key) if self._mirror is not None else None

    def _on_arrival(self, arrival: Arrival) -> None:
        if arrival.collection is Collection.SERVINGS and arrival.key is not None:
            namespace, name = subjects.split(arrival.key)
            self._queue.add(ResourceName(ResourceKind.SERVING, namespace, name))
        elif arrival.collection is Collection.JOBS and arrival.key is not None:
            self._add_job(arrival.key)
        elif arrival.collection in {Collection.SERVINGS, Collection.JOBS}:
            self._stale.set()
        else:
            self._add_refused()

    def _add_job(self, key: str) -> None:
        """Reconcile the resources of a job, and show it if it has none."""
        job = subjects.unescape(key)
        for each in self._store.resources(ResourceKind.MODEL_JOB):
            if job in {each.job, each.name.name}:
                self._queue.add(each.name)
        if self._mirror is not None:
            self._queue.add(key)

    def _add_refused(self) -> None:
        """Reconcile refused resources: a missing model may have been pushed, or a policy changed."""
        for kind in ResourceKind:
            for resource in self._store.resources(kind):
                if not resource.is_accepted:
                    self._queue.add(resource.name)

    def _add_all(self) -> None:
        for kind in ResourceKind:
            for resource in self._store.resources(kind):
                self._queue.add(resource.name)

    async def _resync(self) -> None:
        while True:
            self._stale.clear()
            self._add_all()
            if self._mirror is not None and await self._projection.is_loaded(Collection.JOBS):
                page = await self._projection.find(Collection.JOBS, Query(sort="id", limit=EVERYTHING))
                for body in page.bodies:
                    self._queue.add(subjects.escape(JobDocument.model_validate_json(body).id))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._resync_seconds):
                    await self._stale.wait()
