"""A registry in this process or a separate one, and the messages that it sends to the rest of the platform."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import nats
from nats.aio.client import Client

from klever_registry.app import build
from klever_registry.settings import RegistrySettings
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.service import run
from kleverproto.envelope import Event, encode, parse
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument
from kleverproto.streams import MODELS_BUCKET, PROJECTS_BUCKET, SERVINGS_BUCKET
from support.oci_artifacts import Artifact, OciClient
from support.processes import ServerProcess, answers, free_port
from support.waiting import eventually


class RegistryProcess(ServerProcess):
    """`python -m klever_registry`, which a test can kill and restart; without authentication by default."""

    def __init__(self, directory: Path, nats_url: str, **settings: str) -> None:
        self.port = free_port()
        self.data_dir = directory / "registry"
        ours = {"nats_url": nats_url, "port": str(self.port), "data_dir": str(self.data_dir), **_logins(settings)}
        env = {f"KLEVER_REGISTRY_{name.upper()}": value for name, value in ours.items()}
        command = [sys.executable, "-m", "klever_registry"]
        super().__init__(command, directory / "registry.log", lambda: answers(self.port), env={**os.environ, **env})

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"


def _logins(settings: dict[str, Any]) -> dict[str, Any]:
    return settings if {"accounts", "platform_password_file"} & set(settings) else {"open": "true", **settings}


@asynccontextmanager
async def oci_client(address: str) -> AsyncIterator[OciClient]:
    async with aiohttp.ClientSession() as session:
        yield OciClient(session, address)


@asynccontextmanager
async def running_registry(data_dir: Path, nats_url: str, **more: Any) -> AsyncIterator[OciClient]:
    """Run a registry in this process until it is ready, with a client; without authentication by default."""
    ours: dict[str, Any] = {"port": free_port(), "data_dir": data_dir, "nats_url": nats_url}
    settings = RegistrySettings(**ours | _logins(more))
    task = asyncio.create_task(run(build(settings)))
    try:
        async with oci_client(settings.address) as client:
            await ready(client)
            yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ready(client: OciClient) -> None:
    async def is_ready() -> bool:
        return (await client.request("GET", "/readyz")).status == 200

    await eventually(is_ready, within=20)


class Platform:
    """The view of other services: events and the catalogue."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._js = client.jetstream()
        source = ClientSource()
        source.set(client)
        self.documents = NatsDocuments(source, MODELS_BUCKET, ModelDocument)
        self.projects = NatsDocuments(source, PROJECTS_BUCKET, ProjectDocument)
        self.servings = NatsDocuments(source, SERVINGS_BUCKET, ServingDocument)

    async def events(self, kind: str = "model") -> list[Event[Any]]:
        """Every event of the stream so far whose type contains the text."""
        info = await self._js.stream_info("KLEVER_MODELS")
        messages = [
            await self._js.get_msg("KLEVER_MODELS", sequence)
            for sequence in range(info.state.first_seq, info.state.last_seq + 1)
        ]
        events = [parse(message.headers or {}, message.data or b"") for message in messages]
        return [event for event in events if kind in event.type]

    async def wait_for(self, kind: str, count: int, *, within: float = 30.0) -> list[Event[Any]]:
        """Return the events of a kind once there are this many."""

        async def enough() -> list[Event[Any]]:
            events = await self.events(kind)
            return events if len(events) >= count else []

        return await eventually(enough, within=within)

    async def document(self, ref: str) -> ModelDocument | None:
        stored = await self.documents.get(ModelRef.parse(ref).key)
        return stored.document if stored else None

    async def settled(self, ref: str, digest: str) -> ModelDocument:
        """Return the document once it has this digest and is announced."""

        async def is_settled() -> ModelDocument | None:
            document = await self.document(ref)
            if document is None or document.spec.digest != digest:
                return None
            return document if document.status.announced_generation == document.generation else None

        document = await eventually(is_settled, within=20)
        assert document is not None
        return document

    async def push(self, client: OciClient, ref: str, artifact: Artifact) -> ModelDocument:
        """Push an artifact to `repository:tag` and wait until it is announced."""
        repository, _, tag = ref.partition(":")
        await client.push(repository, tag, artifact)
        return await self.settled(ref, artifact.digest)

    async def lose_models(self, *, with_events: bool = False) -> None:
        """Lose the bucket of models, and perhaps the stream of the events about them."""
        for stream in (MODELS_BUCKET.stream, *(["KLEVER_MODELS"] if with_events else [])):
            await self._js.delete_stream(stream)

    async def publish(self, event: Event[Any]) -> None:
        headers, body = encode(event)
        await self._js.publish(event.nats_subject, body, headers=headers)


@asynccontextmanager
async def platform(nats_url: str) -> AsyncIterator[Platform]:
    client = await nats.connect(nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    try:
        yield Platform(client)
    finally:
        await client.close()
