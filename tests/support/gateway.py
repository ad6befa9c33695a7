"""A gateway in this process on a free port, and a writer of documents for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nats
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from nats.aio.client import Client
from yarl import URL

from klever_gateway.app import build
from klever_gateway.settings import GatewaySettings
from kleverkit.connection import close_broker
from kleverkit.documents import mutate
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.provisioning import provision
from kleverkit.service import Runtime, _finish, _serve_messages
from kleverkit.tasks import cancel
from kleverproto.base import WireModel
from kleverproto.documents import Intent, Tombstone
from kleverproto.envelope import Event, EventSource, encode, parse, utc_now
from kleverproto.models import ExtractionPhase, HistoryEntry, ModelDocument, ModelMetadata, ModelSpec, ModelStatus
from kleverproto.references import ModelRef
from kleverproto.scans import Scan
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingStatus, serving_key
from kleverproto.streams import JOBS_BUCKET, MODELS_BUCKET, SERVINGS_BUCKET, BucketSpec, ConsumerSpec
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant
from support.waiting import eventually

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BASE = "/api/v1alpha1"


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def version_document(
    ref: str = "library/iris:v1", *, number: int = 1, history: tuple[int, ...] = (), fmt: str | None = "ONNX"
) -> ModelDocument:
    pushed = NOW + timedelta(seconds=number)
    return ModelDocument(
        spec=ModelSpec(
            ref=ModelRef.parse(ref),
            digest=digest(number),
            registry="127.0.0.1:5000",
            artifact_type="application/x",
            size=number,
            metadata=ModelMetadata(format=fmt, author="Jo"),
        ),
        status=ModelStatus(
            extraction=ExtractionPhase.SUCCEEDED,
            scan=Scan(verdict="clean", scanner="klever", scanner_version="0.1.0"),
            history=tuple(HistoryEntry(digest=digest(each), pushed_at=pushed, verdict="clean") for each in history),
        ),
        created_at=pushed,
        updated_at=pushed,
    )


def serving_spec(model: str = "library/iris:v1", *, of: int | None = 1, replicas: int = 1) -> ServingSpec:
    variant = Variant(name="v1", model=model, digest=digest(of) if of else None, replicas=replicas)
    return ServingSpec(variants=(variant,), traffic=Traffic(weights={"v1": 100}))


def serving_document(
    name: str = "iris", *, generation: int = 1, spec: ServingSpec | None = None, **status: Any
) -> ServingDocument:
    return ServingDocument(
        namespace="default",
        name=name,
        spec=spec or serving_spec(),
        status=ServingStatus(**status),
        generation=generation,
        created_at=NOW,
        updated_at=NOW,
    )


@dataclass
class Answer:
    """A response with its complete body."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Gateway:
    """A client of a running gateway."""

    session: ClientSession
    url: str
    runtime: Runtime

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.send("GET", path, **options)

    async def send(self, method: str, path: str, **options: Any) -> Answer:
        full = path if path.startswith(("/openapi", "/docs", "/healthz", "/readyz", "/metrics")) else BASE + path
        async with self.session.request(method, f"{self.url}{full}", allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.text())

    async def json(self, path: str, **options: Any) -> Any:
        response = await self.get(path, **options)
        assert response.status == 200, response.text
        return response.json()

    @property
    def host(self) -> str:
        return str(URL(self.url).host)

    @property
    def port(self) -> int:
        return URL(self.url).port or 0

    async def is_ready(self) -> bool:
        return (await self.get("/readyz")).status == 200

    async def problem(self, check: str) -> str | None:
        """Return the problem of one readiness check."""
        problem: str | None = (await self.get("/readyz")).json()["problems"].get(check)
        return problem


@asynccontextmanager
async def running_gateway(
    nats_url: str, data_dir: Path, *, ready: bool = True, **options: Any
) -> AsyncIterator[Gateway]:
    """Start a gateway, wait until it is ready (unless NATS is down on purpose), and stop it."""
    access: dict[str, Any] = {} if "token_file" in options else {"open": True}
    settings = GatewaySettings(nats_url=nats_url, data_dir=data_dir, port=0, **access, **options)
    runtime = build(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_finish, runtime)
        stack.push_async_callback(close_broker, runtime.broker)
        server = await stack.enter_async_context(TestServer(runtime.web))
        session = await stack.enter_async_context(ClientSession())
        messages = asyncio.create_task(_serve_messages(runtime, stack))
        gateway = Gateway(session, str(server.make_url("")).rstrip("/"), runtime)
        try:
            if ready:
                await eventually(gateway.is_ready)
            yield gateway
        finally:
            await cancel([messages])


@dataclass
class Owner:
    """Writes documents and events as registry, jobrunner and deployer do."""

    client: Client

    def documents(self, bucket: BucketSpec, document: type[Any]) -> NatsDocuments[Any]:
        source = ClientSource()
        source.set(self.client)
        return NatsDocuments(source, bucket, document)

    async def version(self, document: ModelDocument) -> None:
        await self._put(MODELS_BUCKET, document.spec.ref.key, document)

    async def serving(self, document: ServingDocument) -> None:
        await self._put(SERVINGS_BUCKET, serving_key(document.namespace, document.name), document)

    async def delete_serving(self, name: str) -> None:
        """Handle the last request of the stream: delete the serving and leave a tombstone."""
        documents = self.documents(SERVINGS_BUCKET, ServingDocument)
        stored = await documents.get(serving_key("default", name))
        assert stored is not None
        intent = await self.intent("KLEVER_SERVINGS")
        tombstone = Tombstone[ServingDocument](document=stored.document, intent=intent, deleted_at=NOW)
        await documents.bury(stored.key, tombstone, stored.revision)

    async def intent(self, stream: str, event_id: str = "another") -> Intent:
        """The intent of the last request in a stream."""
        sequence = (await self.client.jetstream().stream_info(stream)).state.last_seq
        return Intent(sequence=sequence, event_id=event_id, correlation_id=event_id)

    async def handle(self, consumer: ConsumerSpec) -> None:
        """Receive the next request and acknowledge it without effect."""
        js = self.client.jetstream()
        subscription = await js.pull_subscribe(consumer.subject, consumer.durable, stream=consumer.stream)
        (message,) = await subscription.fetch(1)
        await message.ack_sync()

    async def job(self, key: str, document: WireModel) -> None:
        await self._put(JOBS_BUCKET, key, document)

    async def publish(self, data: WireModel, event_id: str, *, at: datetime | None = None) -> None:
        event: Event[Any] = EventSource("test", lambda: at or utc_now()).event(data, event_id=event_id)
        headers, body = encode(event)
        await self.client.jetstream().publish(event.nats_subject, body, headers=headers)

    async def last_event(self, stream: str) -> Any:
        js = self.client.jetstream()
        info = await js.stream_info(stream)
        return await self.event(stream, info.state.last_seq)

    async def event(self, stream: str, sequence: int) -> Any:
        """The event at a position of a stream."""
        message = await self.client.jetstream().get_msg(stream, sequence)
        return parse(message.headers or {}, message.data or b"")

    async def recreate(self, stream: str) -> None:
        """Delete the stream and create it again, empty."""
        js = self.client.jetstream()
        await js.delete_stream(stream)
        await provision(js)

    async def delete_consumers(self, stream: str) -> int:
        """Delete every consumer of a stream. Return their number."""
        js = self.client.jetstream()
        consumers = await js.consumers_info(stream)
        for consumer in consumers:
            await js.delete_consumer(stream, consumer.name)
        return len(consumers)

    async def _put(self, bucket: BucketSpec, key: str, document: WireModel) -> None:
        documents = self.documents(bucket, type(document))
        await mutate(documents, key, lambda _present: document)


@asynccontextmanager
async def owner_at(nats_url: str) -> AsyncIterator[Owner]:
    client = await nats.connect(nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    try:
        await provision(client.jetstream())
        yield Owner(client)
    finally:
        await client.close()
