"""One suite for whoever knows which events are in their streams: NATS, and the stream of unit tests."""

from collections.abc import AsyncIterator

import pytest
from faststream.nats import NatsBroker

from klever_registry.adapters.nats_announcements import NatsAnnouncements
from klever_registry.ports import Announcements
from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource
from kleverkit.provisioning import provision
from kleverkit.publisher import NatsEventPublisher
from kleverproto.envelope import Event, EventSource
from kleverproto.models import ModelDeleted, ModelPushed
from kleverproto.references import ModelRef
from kleverproto.streams import MODELS
from support.nats_server import NatsServer
from support.registry_units import FlakyPublisher

EVENTS = EventSource("registry")
REF, DIGEST = ModelRef.parse("library/iris:v1"), f"sha256:{'a' * 64}"


@pytest.fixture(params=["nats", "memory"])
async def announcements(request: pytest.FixtureRequest) -> AsyncIterator[Announcements]:
    if request.param == "memory":
        yield FlakyPublisher()
        return
    server: NatsServer = request.getfixturevalue("own_nats")
    source = ClientSource()
    async with NatsBroker(server.url) as broker:
        client = await broker.connect()
        await provision(client.jetstream(), streams=[MODELS], buckets=[])
        source.set(client)
        yield NatsAnnouncements(source, NatsEventPublisher(broker))


def pushed(event_id: str, ref: ModelRef = REF) -> Event[ModelPushed]:
    return EVENTS.event(ModelPushed(ref=ref, digest=DIGEST, registry="localhost:5000"), event_id=event_id)


async def test_an_event_is_found_at_its_position_and_by_its_subject(announcements: Announcements) -> None:
    first, second = pushed("first"), pushed("second")
    assert await announcements.find(first, None) is None
    assert await announcements.find(first, 1) is None
    one = await announcements.store(first)
    await announcements.store(pushed("other", REF.with_version("v2")))
    await announcements.store(EVENTS.event(ModelDeleted(ref=REF, digest=DIGEST), event_id="deleted"))
    assert await announcements.find(second, None) is None
    assert await announcements.find(second, one) is None
    two = await announcements.store(second)
    assert two > one
    for event, position in ((first, one), (second, two)):
        assert await announcements.find(event, None) == position
        assert await announcements.find(event, position) == position
    assert await announcements.find(first, two) is None


async def test_a_repeated_event_has_the_position_of_the_first(announcements: Announcements) -> None:
    assert await announcements.store(pushed("first")) == await announcements.store(pushed("first"))


async def test_a_missing_stream_is_not_an_empty_one(own_nats: NatsServer) -> None:
    source = ClientSource()
    async with NatsBroker(own_nats.url) as broker:
        source.set(await broker.connect())
        for position in (None, 1):
            with pytest.raises(TransientError):
                await NatsAnnouncements(source, NatsEventPublisher(broker)).find(pushed("first"), position)
