"""A deployer in this process with a real NATS, registry and Envoy, and the effects that other services see."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import nats
import psutil
from nats.aio.client import Client

from klever_deployer.app import build
from klever_deployer.settings import DeployerSettings
from kleverkit.documents import Buried
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import run
from kleverproto.base import WireModel
from kleverproto.envelope import Event, EventSource, encode, parse
from kleverproto.models import ModelDocument
from kleverproto.projects import OnInvalid, OnUnsafe, ProjectDocument, ProjectPolicy, ProjectPolicyRequested
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDeleted, ServingDocument, ServingFailed, ServingReady, serving_key
from kleverproto.streams import MODELS_BUCKET, PROJECTS_BUCKET, SERVINGS_BUCKET
from ormb.client import OrmbClient
from ormb.reference import Reference
from support.processes import free_port
from support.registry_service import running_registry
from support.waiting import eventually

GATEWAY = EventSource("gateway")
OUTCOMES = (ServingReady, ServingFailed, ServingDeleted)


@dataclass
class Surroundings:
    """The other services of the platform."""

    client: Client
    session: aiohttp.ClientSession
    registry: str
    settings: DeployerSettings
    published: int = 0

    async def push(self, directory: Path, ref: str) -> None:
        """Push a model and wait until it is in the catalogue."""
        named = ModelRef.parse(ref)
        async with OrmbClient(self.settings.work_dir / "push") as client:
            await client.push_directory(directory, Reference(self.registry, named.repository, named.version))
        documents = NatsDocuments(self._source(), MODELS_BUCKET, ModelDocument)
        await eventually(lambda: documents.get(named.key))

    async def allow_unsafe(self) -> None:
        """Allow serving models that are neither scanned nor parsed, since there is no jobrunner."""
        policy = ProjectPolicy(scan=OnUnsafe.WARN, invalid=OnInvalid.WARN)
        await self.ask(ProjectPolicyRequested(project="library", policy=policy))
        documents = NatsDocuments(self._source(), PROJECTS_BUCKET, ProjectDocument)
        await eventually(lambda: documents.get("library"))

    async def ask(self, data: WireModel) -> Event[Any]:
        """Publish a request."""
        self.published += 1
        event = GATEWAY.event(data, event_id=f"request-{self.published}", correlation_id="one story")
        headers, body = encode(event)
        await self.client.jetstream().publish(event.nats_subject, body, headers=headers)
        return event

    async def answer(self, cause: Event[Any]) -> Event[Any]:
        """Return the decision about a request."""

        async def outcome() -> Event[Any] | None:
            caused = [event for event in await self.caused_by(cause) if isinstance(event.data, OUTCOMES)]
            return caused[-1] if caused else None

        event = await eventually(outcome, within=20)
        assert event is not None
        return event

    async def caused_by(self, cause: Event[Any]) -> list[Event[Any]]:
        js = self.client.jetstream()
        state = (await js.stream_info("KLEVER_SERVINGS")).state
        messages = [await js.get_msg("KLEVER_SERVINGS", seq) for seq in range(state.first_seq, state.last_seq + 1)]
        events = [parse(message.headers or {}, message.data or b"") for message in messages]
        return [event for event in events if event.causation_id == cause.id]

    async def document(self, name: str = "iris", namespace: str = "default") -> ServingDocument:
        stored = await NatsDocuments(self._source(), SERVINGS_BUCKET, ServingDocument).get(serving_key(namespace, name))
        assert stored is not None
        return stored.document

    async def is_buried(self, name: str = "iris", namespace: str = "default") -> bool:
        """Return whether a tombstone exists and its event is published."""

        async def is_announced() -> bool:
            stored = await NatsDocuments(self._source(), SERVINGS_BUCKET, ServingDocument).find(
                serving_key(namespace, name)
            )
            return isinstance(stored, Buried) and stored.tombstone.announced

        return await eventually(is_announced)

    async def infer(self, url: str, body: object) -> tuple[int, Any]:
        async with self.session.post(url, json=body) as response:
            return response.status, await response.json(content_type=None)

    def _source(self) -> ClientSource:
        source = ClientSource()
        source.set(self.client)
        return source


def model_servers() -> list[psutil.Process]:
    """Return the running model servers that this process has started."""
    children = psutil.Process().children()
    return [p for p in children if p.status() != psutil.STATUS_ZOMBIE and "kleverserve" in p.cmdline()]


@asynccontextmanager
async def without_deployer(nats_url: str, directory: Path) -> AsyncIterator[Surroundings]:
    """Run what a deployer depends on, which allows unsafe models; the deployer handles requests."""
    async with (
        running_registry(directory / "registry", nats_url) as registry,
        await nats.connect(nats_url) as client,
        aiohttp.ClientSession() as session,
    ):
        world = Surroundings(client, session, registry.address, DeployerSettings(work_dir=directory / "deployer"))
        await world.allow_unsafe()
        yield world


@asynccontextmanager
async def surroundings(nats_url: str, directory: Path, **more: Any) -> AsyncIterator[Surroundings]:
    """Run a deployer with all dependencies until it is ready, with additional settings if given."""
    places: dict[str, Any] = {"ingress_port": free_port(), "work_dir": directory / "deployer"}
    settings = DeployerSettings(
        nats_url=nats_url,
        port=free_port(),
        grace_seconds=5.0,
        **places | more,
    )
    async with (
        running_registry(directory / "registry", nats_url) as registry,
        await nats.connect(nats_url) as client,
        aiohttp.ClientSession() as session,
    ):
        task = asyncio.create_task(run(build(settings)))
        world = Surroundings(client, session, registry.address, settings)
        try:
            await eventually(lambda: _is_ready(session, settings), within=20)
            await world.allow_unsafe()
            yield world
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _is_ready(session: aiohttp.ClientSession, settings: DeployerSettings) -> bool:
    async with session.get(f"http://127.0.0.1:{settings.port}/readyz") as response:
        return response.status == 200
