"""The controller of custom resources over resources in memory, with owners of servings and jobs."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from klever_gateway.adapters.memory import InMemoryProjection
from klever_gateway.adapters.memory_resources import InMemoryResources
from klever_gateway.domain.resources.resource import Resource, ResourceKind, ResourceName
from klever_gateway.domain.rows import Collection, job_row, model_row, serving_row
from klever_gateway.service.arrivals import Arrival, Arrivals
from klever_gateway.service.decisions import Decisions
from klever_gateway.service.jobs import Jobs
from klever_gateway.service.owners import Owned
from klever_gateway.service.projector import Projector
from klever_gateway.service.reader import Reader
from klever_gateway.service.resources.controller import ResourceController
from klever_gateway.service.resources.job_mirror import JobMirror
from klever_gateway.service.resources.reconciler import Reconciler
from klever_gateway.service.resources.requested_jobs import RequestedJobs
from klever_gateway.service.resources.requested_servings import RequestedServings
from klever_gateway.service.resources.shown_jobs import ShownJobs
from klever_gateway.service.resources.statuses import Statuses
from klever_gateway.service.serving_requests import ServingRequests
from klever_gateway.service.servings import Servings
from klever_gateway.service.submitter import Submitter
from klever_gateway.service.versions import Versions
from klever_jobrunner.domain import life
from klever_jobrunner.domain.requests import Request
from kleverkit.documents import Incarnation, change
from kleverkit.errors import TransientError
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.tasks import cancel
from kleverproto import subjects
from kleverproto.documents import Intent, Tombstone
from kleverproto.envelope import Event, EventSource
from kleverproto.jobs import JobDeleteRequested, JobDocument, JobRequested
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectPolicy
from kleverproto.servings import ServingDocument, ServingPhase, serving_key
from support.gateway import NOW, version_document
from support.two_gateways import Deployer, OneLog
from support.waiting import eventually

SERVING = ResourceName(ResourceKind.SERVING, "default", "iris")
JOB = ResourceName(ResourceKind.MODEL_JOB, "default", "job")
SPEC: dict[str, Any] = {"variants": [{"name": "v1", "model": "library/iris:v1"}]}
EXTRACTION: dict[str, Any] = {"model": "library/iris:v1", "extraction": {}}


@dataclass
class Platform:
    """The streams of requests and the owners of the documents. While it is away, no request can be stored."""

    deployer: Deployer = field(default_factory=Deployer)
    jobs: InMemoryDocuments[JobDocument] = field(default_factory=InMemoryDocuments)
    requests: list[Event[Any]] = field(default_factory=list)
    is_away: bool = False
    loses_answers: bool = False
    handles_jobs: bool = True
    handled_jobs: int = 0
    deletions_may_pass: asyncio.Event | None = None
    """If set, requests for deletions of jobs are stored once this is set."""

    async def store(self, event: Event[Any]) -> int:
        """See `klever_gateway.ports.Requests`."""
        if self.is_away:
            raise TransientError("NATS cannot be reached, so nothing was stored: try again in a moment")
        is_job = isinstance(event.data, JobRequested | JobDeleteRequested)
        sequence = await (self._store_job(event) if is_job else self.deployer.store(event))
        if self.loses_answers:
            raise TransientError("the response was lost")
        return sequence

    async def is_waiting(self, _stream: str, _sequence: int, _event_id: str) -> bool:
        """See `klever_gateway.ports.Requests`."""
        return False

    async def _store_job(self, event: Event[Any]) -> int:
        if isinstance(event.data, JobDeleteRequested) and self.deletions_may_pass is not None:
            await self.deletions_may_pass.wait()
        ids = [known.id for known in self.requests]
        if event.id in ids:
            return ids.index(event.id) + 1
        self.requests.append(event)
        if self.handles_jobs:
            await self.handle_jobs()
        return len(self.requests)

    async def handle_jobs(self) -> None:
        """Handle every stored job request."""
        while self.handled_jobs < len(self.requests):
            self.handled_jobs += 1
            await self._handle_job(self.handled_jobs)

    async def _handle_job(self, sequence: int) -> None:
        event = self.requests[sequence - 1]
        intent = Intent(sequence=sequence, event_id=event.id, correlation_id=event.id)
        key = subjects.escape(event.data.id)
        data = event.data

        def decide(known: JobDocument | Tombstone[JobDocument] | None) -> JobDocument | Tombstone[JobDocument] | None:
            if isinstance(data, JobRequested):
                return life.requested(known, Request(intent, data.id, data.spec), NOW)
            return life.deleted(known, intent, life.unknown_job(data.id, data.spec, NOW), NOW)

        await change(self.jobs, key, decide)

    async def finish_job(self, **status: Any) -> None:
        """Write the outcome of the only job."""
        (stored,) = (await self.jobs.listing()).documents
        changed = stored.document.replace(status=stored.document.status.replace(**status))
        await change(self.jobs, stored.key, lambda _known: changed)

    async def run_job(self, document: JobDocument) -> None:
        """Write a job that no resource has requested."""
        await change(self.jobs, subjects.escape(document.id), lambda _known: document)

    async def delete_job(self) -> None:
        """Delete the only job as another client of the API does."""
        (stored,) = (await self.jobs.listing()).documents
        intent = Intent(sequence=len(self.requests) + 100, event_id="deletion", correlation_id="deletion")
        await change(self.jobs, stored.key, lambda known: life.deleted(known, intent, None, NOW))

    async def write_serving(self, **status: Any) -> None:
        """Write the status of the serving."""

        def decide(known: ServingDocument | Tombstone[ServingDocument] | None) -> ServingDocument:
            assert isinstance(known, ServingDocument)
            return known.replace(status=known.status.replace(**status))

        await change(self.deployer.documents, serving_key("default", "iris"), decide)

    async def replace_serving(self, document: ServingDocument) -> None:
        """Write the serving."""
        await change(self.deployer.documents, serving_key("default", "iris"), lambda _known: document)

    async def complete_deletion(self) -> None:
        """Replace the serving by a tombstone, as the deployer does once its model servers have stopped."""

        def decide(known: ServingDocument | Tombstone[ServingDocument] | None) -> Tombstone[ServingDocument]:
            assert isinstance(known, ServingDocument)
            assert known.status.phase is ServingPhase.DELETING
            return Tombstone(document=known, intent=known.status.intent, deleted_at=NOW)

        await change(self.deployer.documents, serving_key("default", "iris"), decide)

    async def serving(self) -> ServingDocument | None:
        """Return the document of the serving."""
        stored = await self.deployer.documents.get(serving_key("default", "iris"))
        return stored.document if stored else None


@dataclass
class Bench:
    """A gateway whose controller can be killed and started."""

    platform: Platform = field(default_factory=Platform)
    store: InMemoryResources = field(default_factory=InMemoryResources)
    projection: InMemoryProjection = field(default_factory=InMemoryProjection)
    arrivals: Arrivals = field(default_factory=Arrivals)

    @asynccontextmanager
    async def projecting(self) -> AsyncIterator[None]:
        """Keep the projection up to date."""
        jobs = Owned(Collection.JOBS, self.platform.jobs, job_row)
        servings = Owned(Collection.SERVINGS, self.platform.deployer.documents, serving_row)
        await self.push(version_document("library/iris:v1"))
        project = partial(Projector, projection=self.projection, arrivals=self.arrivals, restore_seconds=0.0)
        tasks = [asyncio.create_task(loop()) for loop in (project(jobs).run, project(servings).run)]
        try:
            await eventually(self._is_loaded)
            yield
        finally:
            await cancel(tasks)

    async def _is_loaded(self) -> bool:
        return all([await self.projection.is_loaded(each) for each in (Collection.JOBS, Collection.SERVINGS)])

    async def push(self, *documents: ModelDocument) -> None:
        """Replace all model versions."""
        rows = [model_row(each.spec.ref.key, 1, each) for each in documents]
        await self.projection.replace(Collection.MODELS, rows, Incarnation(NOW, 0))
        self.arrivals.announce(Arrival(Collection.MODELS))

    @asynccontextmanager
    async def controller(self, *, mirrors: bool = False) -> AsyncIterator[None]:
        """Run a controller, which is killed when the context is closed."""
        running = asyncio.create_task(self._controller(mirrors=mirrors).run())
        try:
            yield
        finally:
            await cancel([running])

    def _submitter(self) -> Submitter:
        ids = (f"random-{number}" for number in itertools.count())
        return Submitter(
            requests=self.platform,
            projection=self.projection,
            source=EventSource("gateway"),
            new_id=lambda: next(ids),
            clock=lambda: NOW,
        )

    def _versions(self) -> Versions:
        async def policy_of(_project: str) -> ProjectPolicy:
            return ProjectPolicy()

        return Versions(self.projection, self.arrivals, policy_of, wait_seconds=0, allow_commands=False)

    def servings(self) -> Servings:
        """Return the use cases of servings, which other clients of the API call as well."""
        decisions = Decisions(OneLog(), wait_seconds=0)
        requests = ServingRequests(submitter=self._submitter(), decisions=decisions, arrivals=self.arrivals)
        return Servings(requests, self._versions())

    def jobs(self) -> Jobs:
        """Return the use cases of jobs, which other clients of the API call as well."""
        return Jobs(self._submitter(), self._versions(), Reader(self.projection, OneLog()))

    def _controller(self, *, mirrors: bool) -> ResourceController:
        statuses = Statuses(self.store, lambda: NOW)
        servings = RequestedServings(self.servings(), self.projection)
        jobs = RequestedJobs(self.store, self.jobs(), self.projection)
        model_jobs = ShownJobs(self.store, self.projection, Reconciler(self.store, statuses, jobs))
        return ResourceController(
            store=self.store,
            reconcilers={
                ResourceKind.SERVING: Reconciler(self.store, statuses, servings).reconcile,
                ResourceKind.MODEL_JOB: model_jobs.reconcile,
            },
            mirror=JobMirror(self.store, self.projection) if mirrors else None,
            projection=self.projection,
            arrivals=self.arrivals,
        )

    def resource(self, name: ResourceName) -> Resource:
        """Return a resource."""
        return self.store.stored[name]

    async def request(self, name: ResourceName, spec: dict[str, Any]) -> dict[str, Any]:
        """Apply a resource, and return its status once it is accepted."""
        self.store.apply(name, spec)
        return await self.until(name, Synced="Accepted")

    async def until(self, name: ResourceName, **conditions: str) -> dict[str, Any]:
        """Wait until conditions have these reasons, or statuses, and return the status of the resource."""

        async def matches() -> bool:
            shown = shown_conditions(self.store.stored[name].status)
            return all(expected in shown.get(kind, ()) for kind, expected in conditions.items())

        await eventually(matches)
        return self.store.stored[name].status

    async def until_shown(self, name: ResourceName) -> None:
        """Wait until a resource exists."""

        async def is_shown() -> bool:
            return name in self.store.stored

        await eventually(is_shown)

    async def until_gone(self, name: ResourceName) -> None:
        """Wait until a resource is removed."""

        async def is_gone() -> bool:
            return name not in self.store.stored

        await eventually(is_gone)


def shown_conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    return {each["type"]: (each["status"], each["reason"]) for each in status.get("conditions", ())}
