"""One stream, read in order from any position, across lost consumers, lost connections and a recreated stream.

Each reader has a short-lived pull consumer. A push consumer (nats-py's ordered one, or a core subscription) would fill
this process's memory while a slow client does not read. A pull consumer delivers a message only on request, filters on
the server, and starts at any sequence. The server removes the consumer of a reader that pauses, and loses it at a
restart; the reader then creates a new one after the last message.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api

from klever_gateway.domain.positions import Loss, Mark, resume
from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource

if TYPE_CHECKING:
    from nats.aio.client import Client

FORGET_SECONDS = 30.0
"""Time without a request after which the server removes a consumer."""

UNREACHABLE = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Lost:
    """Messages may be missing. Reading resumes after the mark."""

    mark: Mark
    loss: Loss


def mark_at_end(info: api.StreamInfo) -> Mark:
    """Return the mark of the newest message of a stream."""
    return Mark(_created(info), info.state.last_seq)


def unreachable(error: BaseException) -> TransientError:
    """Return the TransientError for one of UNREACHABLE."""
    return TransientError(f"NATS does not answer: {str(error) or type(error).__name__}")


class StreamReader:
    """Reads the messages of a stream.

    Args:
        client: returns the connected client.
        stream: name of the stream.
        filters: subjects of the messages to read.
        after: the last message that was read; None to start with the oldest one.
        forget_seconds: time without a request after which the server removes the consumer.
    """

    def __init__(
        self,
        client: ClientSource,
        stream: str,
        filters: list[str],
        *,
        after: Mark | None = None,
        forget_seconds: float = FORGET_SECONDS,
    ) -> None:
        self._client = client
        self._stream = stream
        self._filters = filters
        self._mark = after
        self._forget_seconds = forget_seconds
        self._subscription: JetStreamContext.PullSubscription | None = None
        self._connection: tuple[Client, int] | None = None
        self._next_delivery = 1
        self._lost: Lost | None = None

    def mark(self, sequence: int) -> Mark:
        """Return the mark of a message that was read."""
        return Mark(self._mark.created if self._mark else 0, sequence)

    async def read(self, most: int, seconds: float) -> list[Msg] | Lost:
        """Return at most `most` next messages; none if none arrives in time.

        Returns `Lost` once for each loss. Raises TransientError; a further call resumes.
        """
        try:
            subscription = await self._open()
            return self._pop_lost() or self._in_order(await _fetch(subscription, most, seconds))
        except UNREACHABLE as error:
            await self.close()
            raise unreachable(error) from error

    async def waiting(self) -> int | Lost:
        """Return the number of messages to read. Losses and errors as with `read`."""
        try:
            subscription = await self._open()
            return self._pop_lost() or (await subscription.consumer_info()).num_pending or 0
        except UNREACHABLE as error:
            await self.close()
            raise unreachable(error) from error

    async def close(self) -> None:
        """Remove the consumer. A further read creates a new one."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(*UNREACHABLE):
                await subscription.unsubscribe()

    async def _open(self) -> JetStreamContext.PullSubscription:
        """Return the consumer. Creates a new one if there is none, or if the connection was replaced."""
        client = self._client()
        connection = (client, client.stats["reconnects"])
        if self._subscription is not None and self._connection == connection:
            return self._subscription
        await self.close()
        jetstream = client.jetstream()
        info = await jetstream.stream_info(self._stream)
        mark = self._start_mark(info)
        subscription = await jetstream.pull_subscribe("", stream=self._stream, config=self._config(mark))
        self._subscription, self._connection, self._next_delivery = subscription, connection, 1
        if _created(await jetstream.stream_info(self._stream)) != mark.created:
            raise nats.errors.Error(f"{self._stream} was recreated at the same time")
        return subscription

    def _start_mark(self, info: api.StreamInfo) -> Mark:
        """Return the mark after which to read from the present stream."""
        created, state = _created(info), info.state
        if self._mark is None:
            self._mark = Mark(created, 0)
        else:
            self._mark, loss = resume(self._mark, created=created, first=state.first_seq, last=state.last_seq)
            self._lost = Lost(self._mark, loss) if loss else self._lost
        return self._mark

    def _pop_lost(self) -> Lost | None:
        lost, self._lost = self._lost, None
        return lost

    def _in_order(self, messages: list[Msg]) -> list[Msg]:
        """Return the messages before the first gap. The next consumer delivers the others again."""
        ordered = []
        for message in messages:
            if message.metadata.sequence.consumer != self._next_delivery:
                self._connection = None
                break
            self._next_delivery += 1
            self._mark = self.mark(message.metadata.sequence.stream)
            ordered.append(message)
        return ordered

    def _config(self, mark: Mark) -> api.ConsumerConfig:
        return api.ConsumerConfig(
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=mark.sequence + 1,
            ack_policy=api.AckPolicy.NONE,
            filter_subjects=self._filters,
            inactive_threshold=self._forget_seconds,
            mem_storage=True,
            num_replicas=1,
        )


async def _fetch(subscription: JetStreamContext.PullSubscription, most: int, seconds: float) -> list[Msg]:
    try:
        return await subscription.fetch(most, seconds)
    except TimeoutError:
        return []


def _created(info: api.StreamInfo) -> int:
    return (info.created - _EPOCH) // timedelta(microseconds=1) if info.created else 0
