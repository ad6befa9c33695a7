"""Each message is handled once, however long its handler takes, and does not keep others from being handled."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import nats
import pytest
from nats.js import JetStreamContext

from kleverkit.errors import TransientError
from kleverproto.envelope import Event
from kleverproto.models import ModelPushed
from kleverproto.streams import JOBRUNNER_EXTRACT
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
    """A handler that waits until it may end."""

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


async def test_handlers_longer_than_the_ack_wait_with_more_messages_than_workers(
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


async def test_no_more_is_fetched_than_can_be_worked_on(nats_url: str, js: JetStreamContext) -> None:
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


async def test_messages_that_wait_for_their_next_try_do_not_keep_others(nats_url: str, js: JetStreamContext) -> None:
    failing = [f"bad{number}" for number in range(4 * SPEC.concurrency + 1)]
    seen: list[str] = []

    async def handler(event: Event[ModelPushed]) -> None:
        seen.append(event.data.ref.version)
        if event.data.ref.version.startswith("bad"):
            raise TransientError("not now")

    broker = broker_for(nats_url, SPEC, handler, retry_delay_seconds=600)
    async with consuming(broker):
        await push(js, *failing, "good")

        async def all_seen() -> bool:
            return len(seen) == len(failing) + 1

        await eventually(all_seen)
    assert seen == [*failing, "good"]


async def test_a_consumer_deleted_while_a_message_is_in_work_handles_it_once(
    nats_url: str, js: JetStreamContext
) -> None:
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
