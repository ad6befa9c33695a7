"""Outcomes of deliveries on a real server: acknowledged, retried with growing delays, or dead-lettered once."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import nats
import pytest
from faststream.nats import NatsBroker
from nats.js import JetStreamContext

from kleverkit.errors import PermanentError
from kleverkit.publisher import NatsEventPublisher
from kleverproto.envelope import Event
from kleverproto.models import ModelPushed
from kleverproto.streams import JOBRUNNER_EXTRACT
from support.consuming import RETRY_DELAY_SECONDS, broker_for, consuming
from support.nats_server import NatsServer
from support.pushes import pushed
from support.waiting import eventually

Handler = Callable[[Event[ModelPushed]], Awaitable[None]]
SPEC = replace(JOBRUNNER_EXTRACT, concurrency=4, max_deliveries=8)


@asynccontextmanager
async def broker_with(url: str, handler: Handler) -> AsyncIterator[NatsBroker]:
    async def on_model_pushed(event: Event[ModelPushed]) -> None:
        await handler(event)

    broker = broker_for(url, SPEC, on_model_pushed)
    async with consuming(broker):
        yield broker


async def dead_letters(js: JetStreamContext) -> list[dict[str, Any]]:
    info = await js.stream_info("KLEVER_DEAD")
    letters = []
    for sequence in range(info.state.first_seq, info.state.last_seq + 1):
        message = await js.get_msg("KLEVER_DEAD", sequence)
        letters.append(json.loads(message.data or b"{}"))
    return letters


async def pending(js: JetStreamContext) -> int:
    info = await js.consumer_info("KLEVER_MODELS", "jobrunner-extract")
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(nats_url)
    yield client.jetstream()
    await client.close()


async def test_an_event_reaches_its_handler_unchanged_and_is_acknowledged(nats_url: str, js: JetStreamContext) -> None:
    events: asyncio.Queue[Event[ModelPushed]] = asyncio.Queue()
    async with broker_with(nats_url, events.put) as broker:
        await NatsEventPublisher(broker).publish(pushed())
        event = await asyncio.wait_for(events.get(), 5)
        assert event.data == pushed().data
        assert event.id == "push-v1"

        async def nothing_is_pending() -> bool:
            return await pending(js) == 0

        assert await eventually(nothing_is_pending)


async def test_the_same_id_twice_is_one_delivery(nats_url: str, js: JetStreamContext) -> None:
    versions: list[str] = []

    async def handler(event: Event[ModelPushed]) -> None:
        versions.append(event.data.ref.version)

    async with broker_with(nats_url, handler) as broker:
        publisher = NatsEventPublisher(broker)
        for version in ("v1", "v1", "v2"):
            await publisher.publish(pushed(version))

        async def both_came() -> bool:
            return len(versions) >= 2 and await pending(js) == 0

        await eventually(both_came)
    assert versions == ["v1", "v2"]


async def test_a_failing_handler_is_retried_with_growing_delays_then_dead_lettered_once(
    nats_url: str, js: JetStreamContext
) -> None:
    times: list[float] = []

    async def handler(_event: Event[ModelPushed]) -> None:
        times.append(time.monotonic())
        raise RuntimeError("the registry is away")

    async with broker_with(nats_url, handler) as broker:
        await NatsEventPublisher(broker).publish(pushed())
        letters = await eventually(lambda: dead_letters(js), within=30)
    assert len(times) == SPEC.max_deliveries
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    for number, gap in enumerate(gaps):
        assert gap >= 0.9 * RETRY_DELAY_SECONDS * 2**number  # a tenth is jitter; a busy machine only makes it longer
    assert [(letter["reason"], letter["deliveries"]) for letter in letters] == [("exhausted", 8)]


async def test_a_permanent_error_is_not_retried(nats_url: str, js: JetStreamContext) -> None:
    calls: list[str] = []

    async def handler(event: Event[ModelPushed]) -> None:
        calls.append(event.id)
        raise PermanentError("this can never work")

    async with broker_with(nats_url, handler) as broker:
        await NatsEventPublisher(broker).publish(pushed())
        letters = await eventually(lambda: dead_letters(js))
    assert len(calls) == 1
    assert letters[0]["reason"] == "poison"
    assert "this can never work" in letters[0]["error"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({}, b"not json", id="no CloudEvent at all"),
        pytest.param({"ce-type": "dev.klever.model.pushed.v1"}, b"{", id="broken JSON"),
        pytest.param({"Content-Type": "application/cloudevents+json"}, b'{"type": "x"}', id="missing attributes"),
        pytest.param(
            {
                "ce-specversion": "1.0",
                "ce-id": "1",
                "ce-source": "/x",
                "ce-type": "dev.klever.model.pushed.v1",
                "ce-time": "2026-01-01T00:00:00Z",
            },
            b'{"ref": 5}',
            id="data that is not a ModelPushed",
        ),
    ],
)
async def test_poison_is_dead_lettered_once_and_the_next_message_is_handled(
    nats_url: str, js: JetStreamContext, headers: dict[str, str], body: bytes
) -> None:
    events: asyncio.Queue[Event[ModelPushed]] = asyncio.Queue()
    async with broker_with(nats_url, events.put) as broker:
        await js.publish("klever.model.pushed.library.iris", body, headers=headers or None)
        await NatsEventPublisher(broker).publish(pushed())
        await asyncio.wait_for(events.get(), 5)
        letters = await eventually(lambda: dead_letters(js))
        assert [letter["reason"] for letter in letters] == ["poison"]
        assert await pending(js) == 0


async def test_structured_cloudevents_are_accepted_too(nats_url: str, js: JetStreamContext) -> None:
    events: asyncio.Queue[Event[ModelPushed]] = asyncio.Queue()
    async with broker_with(nats_url, events.put):
        body = pushed().model_dump_json().encode()
        await js.publish(
            "klever.model.pushed.library.iris",
            body,
            headers={"content-type": "application/cloudevents+json; charset=utf-8"},
        )
        event = await asyncio.wait_for(events.get(), 5)
    assert event.data == pushed().data


async def test_events_resume_after_nats_was_killed_and_restarted(own_nats: NatsServer) -> None:
    events: asyncio.Queue[Event[ModelPushed]] = asyncio.Queue()
    async with broker_with(own_nats.url, events.put) as broker:
        publisher = NatsEventPublisher(broker, timeout_seconds=1)
        await publisher.publish(pushed("v1"))
        await asyncio.wait_for(events.get(), 5)
        own_nats.kill()
        own_nats.start()

        async def stored() -> bool:
            await publisher.publish(pushed("v2"))
            return True

        await eventually(stored, within=15)
        event = await asyncio.wait_for(events.get(), 10)
        assert event.data.ref.version == "v2"
