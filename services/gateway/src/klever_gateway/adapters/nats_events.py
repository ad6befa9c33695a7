"""The event streams, read with pull consumers.

Each reader has a short-lived pull consumer of its own per stream. A push consumer (nats-py's ordered one, or a core
subscription) would fill this process's memory while a slow client does not read; a pull consumer hands out an
event only when it is asked for, filters on the server, and starts at any sequence, so that a reader that comes
back loses nothing and sees nothing twice.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import nats.errors
import nats.js.errors
import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api

from klever_gateway.domain.positions import LIVE_STREAMS, Interest, Position
from klever_gateway.ports import Entry, Logged, NextEntry
from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource
from kleverproto.envelope import InvalidEventError, parse
from kleverproto.jobs import JobLogged
from kleverproto.servings import ServingLogged
from kleverproto.streams import LOGS

log = structlog.get_logger(__name__)
ResultT = TypeVar("ResultT")

FETCH_SECONDS = 2.0
"""Longest wait of one pull; also how long it takes to notice that the connection was replaced."""
LOG_SECONDS = 0.25
"""As FETCH_SECONDS for a log: its reader asks in between whether the job has ended."""
PAUSE_SECONDS = 0.25
"""Between two tries to open a consumer while NATS is away."""
FORGET_SECONDS = 30.0
"""After so long without a pull the server removes a consumer."""
READ_AHEAD = 32
"""Events that may wait in this process for one reader."""

UNREACHABLE = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)


class NatsEventLog:
    """See `klever_gateway.ports.EventLog`."""

    def __init__(self, client: ClientSource) -> None:
        self._client = client

    async def end(self) -> Position:
        """See `EventLog`."""
        jetstream = self._client().jetstream()
        infos = [await _call(jetstream.stream_info(stream)) for stream in LIVE_STREAMS]
        return Position(tuple(info.state.last_seq for info in infos))

    @asynccontextmanager
    async def follow(self, after: Position, interest: Interest) -> AsyncIterator[NextEntry]:
        """See `EventLog`."""
        entries: asyncio.Queue[Entry] = asyncio.Queue(READ_AHEAD)
        readers = [
            asyncio.create_task(self._read(stream, after.of(stream), filters, entries))
            for stream in LIVE_STREAMS
            if (filters := interest.filters(stream))
        ]
        try:
            yield entries.get
        finally:
            await _cancel(readers)

    async def recent(self, interest: Interest, limit: int) -> list[Entry]:
        """See `EventLog`."""
        found: list[Entry] = []
        for stream in LIVE_STREAMS:
            if filters := interest.filters(stream):
                found += await _call(self._newest(stream, filters, limit))
        found.sort(key=lambda entry: entry.event.time)
        return found[-limit:]

    async def written(self, log: str, is_over: Callable[[], Awaitable[bool]]) -> AsyncGenerator[Logged, None]:
        """See `EventLog`."""
        subscription = await _call(self._subscribe(LOGS.name, 1, [log]))
        try:
            while True:
                over = await is_over()  # asked first: what was written before the end is read after it
                messages = await _call(_waiting(subscription, patient=not over))
                for message in messages:
                    if data := _logged(message):
                        yield data
                if over and not messages:
                    return
        finally:
            await subscription.unsubscribe()

    async def _newest(self, stream: str, filters: list[str], limit: int) -> list[Entry]:
        subscription = await self._subscribe(stream, 1, filters)
        newest: list[Entry] = []
        try:
            waiting = (await subscription.consumer_info()).num_pending or 0
            while waiting:
                for message in await subscription.fetch(min(waiting, 100), FETCH_SECONDS):
                    waiting = message.metadata.num_pending
                    newest += filter(None, [_entry(stream, message)])
                newest = newest[-limit:]
        finally:
            await subscription.unsubscribe()
        return newest

    async def _read(self, stream: str, after: int, filters: list[str], entries: asyncio.Queue[Entry]) -> None:
        """Put events into the queue for ever; after any trouble go on behind the last one."""
        last = after
        while True:
            try:
                async for message in self._messages(stream, last + 1, filters):
                    if entry := _entry(stream, message):
                        await entries.put(entry)
                    last = message.metadata.sequence.stream
            except (*UNREACHABLE, TransientError) as error:
                log.warning("event stream interrupted", stream=stream, error=str(error) or type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _messages(self, stream: str, start: int, filters: list[str]) -> AsyncIterator[Msg]:
        """Messages until one is missing or the connection was replaced: the consumer may have died with it."""
        client = self._client()
        connections = client.stats["reconnects"]
        subscription = await self._subscribe(stream, start, filters)
        expected = 1
        try:
            while client.stats["reconnects"] == connections:
                try:
                    (message,) = await subscription.fetch(1, FETCH_SECONDS)
                except TimeoutError:
                    continue
                if message.metadata.sequence.consumer != expected:
                    return
                expected += 1
                yield message
        finally:
            await subscription.unsubscribe()

    async def _subscribe(self, stream: str, start: int, filters: list[str]) -> JetStreamContext.PullSubscription:
        config = api.ConsumerConfig(
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=start,
            ack_policy=api.AckPolicy.NONE,
            filter_subjects=filters,
            inactive_threshold=FORGET_SECONDS,
            mem_storage=True,
            num_replicas=1,
        )
        return await self._client().jetstream().pull_subscribe("", stream=stream, config=config)


async def _waiting(subscription: JetStreamContext.PullSubscription, *, patient: bool) -> list[Msg]:
    """The messages that wait; where there are none, the first one that comes within a moment."""
    waiting = (await subscription.consumer_info()).num_pending or 0
    if not waiting and not patient:
        return []
    try:
        return await subscription.fetch(max(1, min(waiting, READ_AHEAD)), LOG_SECONDS)
    except TimeoutError:
        return []


def _logged(message: Msg) -> Logged | None:
    try:
        data = parse(message.headers or {}, message.data).data
    except InvalidEventError:
        return None
    return data if isinstance(data, JobLogged | ServingLogged) else None


def _entry(stream: str, message: Msg) -> Entry | None:
    """The message as an event; None where it is none, which operators see as a dead letter."""
    try:
        event = parse(message.headers or {}, message.data)
    except InvalidEventError:
        return None
    return Entry(stream, message.metadata.sequence.stream, event)


async def _call(call: Awaitable[ResultT]) -> ResultT:
    try:
        return await call
    except UNREACHABLE as error:
        raise TransientError(f"NATS does not answer: {str(error) or type(error).__name__}") from error


async def _cancel(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel until it works.

    In Python 3.11 `asyncio.wait_for`, which nats-py uses, loses a cancellation that comes together with a message.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)
