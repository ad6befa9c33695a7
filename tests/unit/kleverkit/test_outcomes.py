"""Acknowledgements that cannot be sent are not handler failures; a concluded message is not handled again."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import nats.errors
from faststream.nats.message import NatsMessage
from nats.aio.msg import Msg
from prometheus_client import CollectorRegistry

from kleverkit.errors import PermanentError
from kleverkit.event_metrics import EventMetrics
from kleverkit.heartbeat import Heartbeat
from kleverkit.outcomes import Outcomes, RetryPolicy
from kleverproto.deadletters import DeadLettered
from support.waiting import eventually

if TYPE_CHECKING:
    from nats.aio.client import Client

REPLY = "$JS.ACK._.hash.KLEVER_MODELS.test.{deliveries}.{sequence}.{sequence}.{timestamp}.0.x"
THEN = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e9)


class Wire:
    """A stub of the connection that records what is sent, or fails."""

    def __init__(self, *, failures: int = 0) -> None:
        self.sent: list[bytes] = []
        self.tries = 0
        self._failures = failures

    async def publish(self, _subject: str, payload: bytes = b"", **_options: Any) -> None:
        self.tries += 1
        if self.tries <= self._failures:
            raise nats.errors.ConnectionClosedError
        self.sent.append(payload)


def message(wire: Wire, *, sequence: int = 1, deliveries: int = 1, timestamp: int = THEN) -> NatsMessage:
    reply = REPLY.format(sequence=sequence, deliveries=deliveries, timestamp=timestamp)
    raw = Msg(_client=cast("Client", wire), subject="klever.model.pushed.a", reply=reply)
    return NatsMessage(raw, b"")


class Handler:
    def __init__(self, error: Exception | None = None) -> None:
        self.calls = 0
        self._error = error

    async def __call__(self, _message: Any) -> None:
        self.calls += 1
        if self._error is not None:
            raise self._error


def outcomes() -> tuple[Outcomes, list[DeadLettered]]:
    letters: list[DeadLettered] = []

    async def dead_letter(letter: DeadLettered) -> None:
        letters.append(letter)

    metrics = EventMetrics(CollectorRegistry())
    limits = {"test": 2}.__getitem__
    return Outcomes(retry=RetryPolicy(), max_deliveries=limits, dead_letter=dead_letter, metrics=metrics), letters


async def test_a_failed_acknowledgement_does_not_cause_a_retry_after_success() -> None:
    ends, letters = outcomes()
    handler = Handler()
    await ends.conclude(message(Wire(failures=9)), handler)
    again = Wire()
    await ends.conclude(message(again, deliveries=2), handler)
    await ends.conclude(message(Wire(), deliveries=3), handler)
    assert (handler.calls, again.sent, letters) == (1, [b""], [])


async def test_a_retry_that_cannot_be_sent_is_not_an_error() -> None:
    ends, _ = outcomes()
    handler = Handler(RuntimeError("away"))
    await ends.conclude(message(Wire(failures=9)), handler)
    again = Wire()
    await ends.conclude(message(again), handler)
    assert handler.calls == 2
    assert again.sent[0].startswith(b"-NAK")


async def test_a_dead_letter_is_written_once_although_its_message_is_redelivered() -> None:
    ends, letters = outcomes()
    handler = Handler(PermanentError("never"))
    await ends.conclude(message(Wire(failures=9)), handler)
    await ends.conclude(message(Wire(), deliveries=2), handler)
    assert (handler.calls, len(letters)) == (1, 1)


async def test_a_message_redelivered_during_its_handling_is_left_to_the_first_delivery() -> None:
    ends, _ = outcomes()
    started, may_end = asyncio.Event(), asyncio.Event()

    async def slow(_message: Any) -> None:
        started.set()
        await may_end.wait()

    first, second, impatient = Wire(), Wire(), Handler()
    work = asyncio.create_task(ends.conclude(message(first), slow))
    await started.wait()
    await ends.conclude(message(second, deliveries=2), impatient)
    may_end.set()
    await work
    assert (impatient.calls, first.sent, second.sent) == (0, [b""], [])


async def test_the_same_number_in_a_recreated_stream_is_another_message() -> None:
    ends, _ = outcomes()
    handler = Handler()
    await ends.conclude(message(Wire()), handler)
    await ends.conclude(message(Wire(), timestamp=THEN + 1_000_000), handler)
    assert handler.calls == 2


async def test_a_failed_heartbeat_neither_fails_the_work_nor_stops_later_ones() -> None:
    wire = Wire(failures=2)
    received = message(wire).raw_message

    async def has_sent_heartbeat() -> bool:
        return wire.sent[:1] == [b"+WPI"]

    async with Heartbeat(received, 0.001):
        await eventually(has_sent_heartbeat)


async def test_nothing_is_reported_after_the_acknowledgement() -> None:
    wire = Wire()
    received = message(wire).raw_message
    heartbeat = Heartbeat(received, 0.001)

    async def has_stopped() -> bool:
        return heartbeat._task.done()

    async with heartbeat:
        await received.ack()
        await eventually(has_stopped)
    assert wire.sent[-1] == b""
