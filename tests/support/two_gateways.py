"""Gateways without HTTP and NATS over one deciding deployer, each with its own projection, which may lag."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from klever_deployer.adapters.memory import InMemoryCopies
from klever_deployer.service.copies import Copies
from klever_deployer.service.intents import Intents
from klever_deployer.service.records import Records
from klever_gateway.adapters.memory import InMemoryProjection
from klever_gateway.domain.positions import LIVE_STREAMS, Interest, Mark, Position
from klever_gateway.domain.rows import Collection, model_row, serving_row
from klever_gateway.ports import Entry, Gap, Logged, NextStep
from klever_gateway.service.arrivals import Arrivals
from klever_gateway.service.decisions import Decisions
from klever_gateway.service.owners import Owned
from klever_gateway.service.serving_changes import ServingChanges
from klever_gateway.service.serving_requests import ServingRequests
from klever_gateway.service.servings import Servings
from klever_gateway.service.submitter import Submitter
from klever_gateway.service.versions import Versions
from kleverkit.documents import Incarnation
from kleverkit.memory_documents import InMemoryDocuments
from kleverproto.documents import Intent
from kleverproto.envelope import Event, EventSource
from kleverproto.projects import ProjectPolicy
from kleverproto.servings import (
    ServingDeleteRequested,
    ServingDocument,
    ServingRequested,
    ServingRolloutRequested,
    serving_key,
)
from kleverproto.streams import SERVINGS
from kleverroutes.versions import ServingName
from support.gateway import NOW, version_document
from support.waiting import eventually

MODELS = ("library/iris:v1", "library/iris:v2", "library/iris:v3")


class OneLog:
    """See `klever_gateway.ports.EventLog`; also the publisher of the deployer."""

    def __init__(self) -> None:
        self.events: list[Event[Any]] = []
        self._readers: list[asyncio.Queue[Entry | Gap]] = []

    async def publish(self, event: Event[Any]) -> None:
        if any(known.id == event.id for known in self.events):
            return
        self.events.append(event)
        for reader in self._readers:
            reader.put_nowait(Entry(SERVINGS.name, Mark(1, len(self.events)), event))

    async def end(self) -> Position:
        return Position(tuple(Mark(1, len(self.events)) for _ in LIVE_STREAMS))

    @asynccontextmanager
    async def follow(self, after: Position, interest: Interest) -> AsyncIterator[NextStep]:
        assert interest.filters(SERVINGS.name)
        reader: asyncio.Queue[Entry | Gap] = asyncio.Queue()
        for number, event in enumerate(self.events[after.mark_of(SERVINGS.name).sequence :], 1):
            reader.put_nowait(Entry(SERVINGS.name, Mark(1, number), event))
        self._readers.append(reader)
        yield reader.get

    async def recent(self, interest: Interest, limit: int) -> list[Entry]:
        about = [event for event in self.events if event.type in interest.types and event.subject == interest.subject]
        return [Entry(SERVINGS.name, Mark(1, number), event) for number, event in enumerate(about, 1)][-limit:]

    def read_log(self, log: str, is_over: Callable[[], Awaitable[bool]]) -> AsyncGenerator[Logged, None]:
        raise NotImplementedError


@dataclass
class Deployer:
    """The stream of requests, and the owner of the documents."""

    log: OneLog = field(default_factory=OneLog)
    documents: InMemoryDocuments[ServingDocument] = field(default_factory=InMemoryDocuments)
    is_away: bool = False
    requests: list[Event[Any]] = field(default_factory=list)
    handled: int = 0

    def __post_init__(self) -> None:
        copies = Copies(InMemoryCopies())
        self.records = Records(self.documents, self.log, EventSource("deployer"), lambda: NOW, copies)
        self._intents = Intents(self.records)

    async def store(self, event: Event[Any]) -> int:
        """See `klever_gateway.ports.Requests`."""
        ids = [known.id for known in self.requests]
        if event.id in ids:
            return ids.index(event.id) + 1
        self.requests.append(event)
        if not self.is_away:
            await self.handle()
        return len(self.requests)

    async def is_waiting(self, stream: str, sequence: int, event_id: str) -> bool:
        """See `klever_gateway.ports.Requests`."""
        assert (stream, self.requests[sequence - 1].id) == (SERVINGS.name, event_id)
        return sequence > self.handled

    async def handle(self) -> None:
        """Handle every stored request."""
        while self.handled < len(self.requests):
            self.handled += 1
            event = self.requests[self.handled - 1]
            intent = Intent(sequence=self.handled, event_id=event.id, correlation_id=event.id)
            data = event.data
            if isinstance(data, ServingRequested):
                await self._intents.request(data, intent)
            elif isinstance(data, ServingDeleteRequested):
                await self._intents.request_deletion(data, intent)
            elif isinstance(data, ServingRolloutRequested):
                name = ServingName(data.namespace, data.name)
                await self._intents.steer(name, data.generation, data.action, intent)

    async def document(self) -> ServingDocument:
        stored = await self.documents.get(serving_key("default", "iris"))
        assert stored is not None
        return stored.document


class LiveProjection(InMemoryProjection):
    """Shows the current bucket, unless it lags."""

    def __init__(self, deployer: Deployer) -> None:
        super().__init__()
        self._owned = Owned(Collection.SERVINGS, deployer.documents, serving_row)
        self.lags = False

    async def last(self, collection: Collection, key: str) -> Any:
        if collection is Collection.SERVINGS and not self.lags and (row := await self._owned.read(key)) is not None:
            await self.apply(collection, row)
        return await super().last(collection, key)


@dataclass
class OneGateway:
    """The use cases of one gateway."""

    projection: LiveProjection
    servings: Servings
    changes: ServingChanges
    decisions: Decisions

    async def shown(self) -> ServingDocument:
        """The serving as this gateway shows it."""
        row = await self.projection.last(Collection.SERVINGS, serving_key("default", "iris"))
        return ServingDocument.model_validate_json(row.body)


@asynccontextmanager
async def gateway_over(deployer: Deployer, *, wait_seconds: float = 0.05) -> AsyncIterator[OneGateway]:
    """A gateway that is ready."""
    projection, arrivals = LiveProjection(deployer), Arrivals()
    documents = [version_document(ref, number=number) for number, ref in enumerate(MODELS, 1)]
    rows = {Collection.MODELS: [model_row(each.spec.ref.key, 1, each) for each in documents]}
    for collection in Collection:
        await projection.replace(collection, rows.get(collection, []), Incarnation(NOW, 0))
    ids = (f"{id(projection)}-{number}" for number in range(1000))
    submitter = Submitter(
        requests=deployer,
        projection=projection,
        source=EventSource("gateway"),
        new_id=lambda: next(ids),
        clock=lambda: NOW,
    )

    async def policy_of(_project: str) -> ProjectPolicy:
        return ProjectPolicy()

    versions = Versions(projection, arrivals, policy_of, wait_seconds=0, allow_commands=False)
    decisions = Decisions(deployer.log, wait_seconds=wait_seconds)
    requests = ServingRequests(submitter=submitter, decisions=decisions, arrivals=arrivals, catch_up_seconds=0.01)
    following = asyncio.create_task(decisions.run())
    try:
        await eventually(lambda: _is_following(decisions))
        servings = Servings(requests, versions)
        yield OneGateway(projection, servings, ServingChanges(servings, requests), decisions)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _is_following(decisions: Decisions) -> bool:
    return await decisions.check() is None
