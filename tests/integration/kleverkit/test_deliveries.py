"""Each message is handled once, however long its handler takes, and does not delay others."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import nats
import pytest
from nats.js import JetStreamContext

from kleverkit.errors import PermanentError, TransientError
from kleverproto.envelope import Event
from kleverproto.models import ModelPushed
from kleverproto.streams import DEAD, JOBRUNNER_EXTRACT
from support.consuming import broker_for, consuming
from support.pushes import push
from support.waiting import eventually

STREAM, CONSUMER = JOBRUNNER_EXTRACT.stream, JOBRUNNER_EXTRACT.durable
ACK_WAIT = 1.0
SPEC = replace(JOBRUNNER_EXTRACT, ack_wait=timedelta(seconds=ACK_WAIT), concurrency=2)
VERSIONS = [f"v{number}" for number in range(8)]


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(nats_url)
    yield client.jetstream()
    await client.close()


async def acknowledged(js: JetStreamContext) -> bool:
    info = await js.consumer_info(STREAM, CONSUMER)
    return (info.num_ack_pending, info.num_pending) == (0, 0)


class Gate:
    """A handler that waits until it may complete."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.most_at_a_time = 0
        self.open = asyncio.Event()

    async def __call__(self, event: Event[ModelPushed]) -> None:
        self.began.append(event.data.ref.version)
        self.most_at_a_time = max(self.most_at_a_time, len(self.began) - len(self.ended))
        await self.open.wait()
        self.ended.append(event.data.ref.version)

    async def holds(self, count: int) -> bool:
        return len(self.began) == count


async def test_long_handlers_with_more_messages_than_workers_handle_each_once(
    nats_url: str, js: JetStreamContext
) -> None:
    began: list[str] = []

    async def handler(event: Event[ModelPushed]) -> None:
        began.append(event.data.ref.version)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 2 * ACK_WAIT)

    async with consuming(broker_for(nats_url, SPEC, handler)):
        await push(js, *VERSIONS)

        async def all_done() -> bool:
            return len(began) >= len(VERSIONS) and await acknowledged(js)

        await eventually(all_done, within=40)
        assert (await js.consumer_info(STREAM, CONSUMER)).num_redelivered == 0
    assert began == VERSIONS


async def test_no_more_messages_are_fetched_than_workers_are_free(nats_url: str, js: JetStreamContext) -> None:
    gate = Gate()

    async def handler(event: Event[ModelPushed]) -> None:
        await gate(event)

    async with consuming(broker_for(nats_url, SPEC, handler)):
        await push(js, *VERSIONS)
        await eventually(lambda: gate.holds(2))
        assert (await js.consumer_info(STREAM, CONSUMER)).num_ack_pending == 2
        gate.open.set()
        await eventually(lambda: gate.holds(len(VERSIONS)))
    assert gate.most_at_a_time == 2


async def test_messages_that_wait_for_a_retry_do_not_delay_others(nats_url: str, js: JetStreamContext) -> None:
    failing = [f"bad{number}" for number in range(4 * SPEC.concurrency + 1)]
    versions: list[str] = []

    async def handler(event: Event[ModelPushed]) -> None:
        versions.append(event.data.ref.version)
        if event.data.ref.version.startswith("bad"):
            raise TransientError("not now")

    broker = broker_for(nats_url, SPEC, handler, retry_delay_seconds=600)
    async with consuming(broker):
        await push(js, *failing, "good")

        async def all_received() -> bool:
            return set(versions) == {*failing, "good"}

        await eventually(all_received)


async def test_a_consumer_deleted_during_a_message_delivers_it_once(nats_url: str, js: JetStreamContext) -> None:
    gate = Gate()

    async def handler(event: Event[ModelPushed]) -> None:
        if event.data.ref.version == "slow":
            await gate(event)
        else:
            gate.ended.append(event.data.ref.version)

    async with consuming(broker_for(nats_url, SPEC, handler)):
        await push(js, "slow", "v1")

        async def v1_is_acknowledged() -> bool:
            return gate.ended == ["v1"] and (await js.consumer_info(STREAM, CONSUMER)).num_ack_pending == 1

        await eventually(v1_is_acknowledged)
        await js.delete_consumer(STREAM, CONSUMER)
        gate.open.set()
        await push(js, "v2")

        async def settled() -> bool:
            return "v2" in gate.ended and await acknowledged(js)

        await eventually(settled, within=20)
    assert sorted(gate.ended) == ["slow", "v1", "v2"]


async def test_a_message_redelivered_during_its_handling_is_not_lost_if_that_fails(
    nats_url: str, js: JetStreamContext
) -> None:
    gate = Gate()

    async def handler(event: Event[ModelPushed]) -> None:
        await gate(event)
        if len(gate.began) == 1:
            raise TransientError("not now")

    async with consuming(broker_for(nats_url, SPEC, handler)):
        await push(js, "v1")
        await eventually(lambda: gate.holds(1))
        before = (await js.consumer_info(STREAM, CONSUMER)).created
        await js.delete_consumer(STREAM, CONSUMER)

        async def is_redelivered() -> bool:
            info = await js.consumer_info(STREAM, CONSUMER)
            return info.created != before and info.delivered is not None and info.delivered.consumer_seq >= 1

        await eventually(is_redelivered, within=20)
        gate.open.set()
        await eventually(lambda: gate.holds(2), within=20)
        await eventually(lambda: acknowledged(js))
    assert gate.ended == ["v1", "v1"]


async def test_a_cancelled_handler_leaves_its_message_to_the_next_delivery(nats_url: str, js: JetStreamContext) -> None:
    began: list[str] = []

    async def handler(event: Event[ModelPushed]) -> None:
        began.append(event.data.ref.version)
        if len(began) == 1:
            raise asyncio.CancelledError

    async with consuming(broker_for(nats_url, SPEC, handler)):
        await push(js, "v1")

        async def is_handled_again() -> bool:
            return len(began) == 2

        await eventually(is_handled_again, within=20)
        await eventually(lambda: acknowledged(js))


async def test_poison_whose_dead_letter_cannot_be_stored_is_kept(nats_url: str, js: JetStreamContext) -> None:
    began: list[str] = []

    async def handler(event: Event[ModelPushed]) -> None:
        if not began:
            await js.delete_stream(DEAD.name)
        began.append(event.data.ref.version)
        raise PermanentError("never")

    async with consuming(broker_for(nats_url, SPEC, handler)):
        await push(js, "v1")

        async def is_dead_lettered() -> bool:
            return (await js.stream_info(DEAD.name)).state.messages == 1

        await eventually(is_dead_lettered, within=30)
        await eventually(lambda: acknowledged(js))
