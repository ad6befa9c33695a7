"""The event streams, each read with a `StreamReader`: a reader that resumes misses no event and repeats none."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import structlog
from nats.aio.msg import Msg

from klever_gateway.domain.positions import LIVE_STREAMS, Interest, Position
from klever_gateway.ports import Entry, Gap, Logged, NextStep
from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource
from kleverkit.tasks import cancel
from kleverproto.envelope import InvalidEventError, parse
from kleverproto.jobs import JobLogged
from kleverproto.servings import ServingLogged
from kleverproto.streams import LOGS

from .stream_reader import FORGET_SECONDS, UNREACHABLE, Lost, StreamReader, mark_at_end, unreachable

log = structlog.get_logger(__name__)
ResultT = TypeVar("ResultT")

READ_SECONDS = 2.0
"""Longest wait for an event, and longest time to notice that the connection was replaced."""
LOG_SECONDS = 0.25
"""READ_SECONDS for logs: between reads, the reader checks whether the job has finished."""
PAUSE_SECONDS = 0.25
"""Pause between two attempts while NATS is unreachable."""
PATIENCE_SECONDS = 30.0
"""Longest time for which the reader of a log retries while NATS is unreachable."""
READ_AHEAD = 32
"""Size of the queue of one reader, in events."""
MANY = 100
"""Most events per fetch when all are read."""


class NatsEventLog:
    """See `klever_gateway.ports.EventLog`.

    Args:
        client: returns the connected client.
        forget_seconds: the server removes the consumer of a reader that pauses for longer; the reader then creates a
            new one.
    """

    def __init__(self, client: ClientSource, *, forget_seconds: float = FORGET_SECONDS) -> None:
        self._client = client
        self._forget_seconds = forget_seconds

    async def end(self) -> Position:
        """See `EventLog`."""
        jetstream = self._client().jetstream()
        try:
            return Position(tuple([mark_at_end(await jetstream.stream_info(stream)) for stream in LIVE_STREAMS]))
        except UNREACHABLE as error:
            raise unreachable(error) from error

    @asynccontextmanager
    async def follow(self, after: Position, interest: Interest) -> AsyncIterator[NextStep]:
        """See `EventLog`."""
        steps: asyncio.Queue[Entry | Gap] = asyncio.Queue(READ_AHEAD)
        readers = [
            asyncio.create_task(_follow(stream, self._reader(stream, filters, after), steps))
            for stream in LIVE_STREAMS
            if (filters := interest.filters(stream))
        ]
        try:
            yield steps.get
        finally:
            await cancel(readers)

    async def recent(self, interest: Interest, limit: int) -> list[Entry]:
        """See `EventLog`."""
        newest: list[Entry] = []
        for stream in LIVE_STREAMS:
            if filters := interest.filters(stream):
                newest += await _newest(stream, self._reader(stream, filters), limit)
        return newest[-limit:]

    async def read_log(self, log: str, is_over: Callable[[], Awaitable[bool]]) -> AsyncGenerator[Logged, None]:
        """See `EventLog`."""
        reader = self._reader(LOGS.name, [log])
        try:
            while True:
                over = await is_over()  # checked before reading: lines published before the end are read
                messages = await _with_retries(partial(_lines, reader, patient=not over))
                for message in messages:
                    if data := _logged(message):
                        yield data
                if over and not messages:
                    return
        finally:
            await reader.close()

    def _reader(self, stream: str, filters: list[str], after: Position | None = None) -> StreamReader:
        mark = after.mark_of(stream) if after else None
        return StreamReader(self._client, stream, filters, after=mark, forget_seconds=self._forget_seconds)


async def _follow(stream: str, reader: StreamReader, steps: "asyncio.Queue[Entry | Gap]") -> None:
    """Put events into the queue. After an error, reading resumes after the last event."""
    try:
        while True:
            try:
                async for step in _steps(stream, reader):
                    await steps.put(step)
            except Exception as error:  # noqa: BLE001 - without a reader the client would get no events
                log.warning("event stream interrupted", stream=stream, error=str(error) or type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await reader.close()


async def _steps(stream: str, reader: StreamReader) -> AsyncIterator[Entry | Gap]:
    while True:
        read = await reader.read(1, READ_SECONDS)
        if isinstance(read, Lost):
            yield Gap(stream, read.mark, read.loss)
            continue
        for message in read:
            if entry := _entry(stream, reader, message):
                yield entry


async def _newest(stream: str, reader: StreamReader, limit: int) -> list[Entry]:
    newest: list[Entry] = []
    try:
        waiting = _complete(await reader.waiting())
        while waiting:
            messages = _complete(await reader.read(min(waiting, MANY), READ_SECONDS))
            if not messages:
                raise TransientError(f"NATS does not send the events of {stream}: try again in a moment")
            waiting = messages[-1].metadata.num_pending
            newest += filter(None, [_entry(stream, reader, message) for message in messages])
            newest = newest[-limit:]
    finally:
        await reader.close()
    return newest


async def _lines(reader: StreamReader, *, patient: bool) -> list[Msg]:
    """Return the pending messages; if there are none and `patient`, the first one that arrives within LOG_SECONDS."""
    waiting = _complete(await reader.waiting())
    if not waiting and not patient:
        return []
    return _complete(await reader.read(max(1, min(waiting, READ_AHEAD)), LOG_SECONDS))


def _complete(read: ResultT | Lost) -> ResultT:
    """Return the result of a read. Raises LinesLostError if messages are missing."""
    if isinstance(read, Lost):
        raise LinesLostError(f"{read.loss}: lines are missing. Read the log again from its beginning")
    return read


class LinesLostError(TransientError):
    """Reading cannot resume, because messages are missing."""


async def _with_retries(call: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Return the result of a call. Retries for PATIENCE_SECONDS, so that a restart of NATS interrupts no reader."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await call()
        except LinesLostError:
            raise
        except TransientError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


def _logged(message: Msg) -> Logged | None:
    try:
        data = parse(message.headers or {}, message.data).data
    except InvalidEventError:
        return None
    return data if isinstance(data, JobLogged | ServingLogged) else None


def _entry(stream: str, reader: StreamReader, message: Msg) -> Entry | None:
    """Parse a message. Returns None if it is not a valid event: operators see it as a dead letter."""
    try:
        event = parse(message.headers or {}, message.data)
    except InvalidEventError:
        return None
    return Entry(stream, reader.mark(message.metadata.sequence.stream), event)
