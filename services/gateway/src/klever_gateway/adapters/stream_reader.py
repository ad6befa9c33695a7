"""One stream, read in order from any position, across lost consumers, lost connections and a recreated stream.

The reader has a short-lived pull consumer of its own. A push consumer (nats-py's ordered one, or a core subscription)
would fill this process's memory while a slow client does not read; a pull consumer hands out a message only when it
is requested, filters on the server, and starts at any sequence. The server removes the consumer of a reader that
pauses, and forgets it when it restarts; the reader then opens another one behind the last message.
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
"""After so long without a request the server removes a consumer."""

UNREACHABLE = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Lost:
    """Messages may be missing; reading resumes behind the mark."""

    mark: Mark
    loss: Loss


def mark_at_end(info: api.StreamInfo) -> Mark:
    """The newest message of a stream."""
    return Mark(_created(info), info.state.last_seq)


def unreachable(error: BaseException) -> TransientError:
    """What to say of one of UNREACHABLE."""
    return TransientError(f"NATS does not answer: {str(error) or type(error).__name__}")


class StreamReader:
    """Reads the messages of a stream.

    Args:
        client: gives the connected client.
        stream: its name.
        filters: subjects of the messages that are wanted.
        after: the last message that was seen; None to begin with the oldest that there is.
        forget_seconds: the server removes the consumer after so long without a request.
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
        """The mark of a message that was read."""
        return Mark(self._mark.created if self._mark else 0, sequence)

    async def read(self, most: int, seconds: float) -> list[Msg] | Lost:
        """The next messages, at most so many; none where none comes in time.

        `Lost` comes once for each loss. Raises TransientError; the same call again resumes.
        """
        try:
            subscription = await self._open()
            return self._take_lost() or self._in_order(await _fetch(subscription, most, seconds))
        except UNREACHABLE as error:
            await self.close()
            raise unreachable(error) from error

    async def waiting(self) -> int | Lost:
        """How many messages are there to be read. As `read`."""
        try:
            subscription = await self._open()
            return self._take_lost() or (await subscription.consumer_info()).num_pending or 0
        except UNREACHABLE as error:
            await self.close()
            raise unreachable(error) from error

    async def close(self) -> None:
        """Let go of the consumer; reading again opens another one."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(*UNREACHABLE):
                await subscription.unsubscribe()

    async def _open(self) -> JetStreamContext.PullSubscription:
        """The consumer; another one where there is none, or where it may have died with its connection."""
        client = self._client()
        connection = (client, client.stats["reconnects"])
        if self._subscription is not None and self._connection == connection:
            return self._subscription
        await self.close()
        jetstream = client.jetstream()
        info = await jetstream.stream_info(self._stream)
        mark = self._place(info)
        subscription = await jetstream.pull_subscribe("", stream=self._stream, config=self._config(mark))
        self._subscription, self._connection, self._next_delivery = subscription, connection, 1
        if _created(await jetstream.stream_info(self._stream)) != mark.created:
            raise nats.errors.Error(f"{self._stream} was created again just now")
        return subscription

    def _place(self, info: api.StreamInfo) -> Mark:
        """Where to read from in the stream that there is now."""
        created, state = _created(info), info.state
        if self._mark is None:
            self._mark = Mark(created, 0)
        else:
            self._mark, loss = resume(self._mark, created=created, first=state.first_seq, last=state.last_seq)
            self._lost = Lost(self._mark, loss) if loss else self._lost
        return self._mark

    def _take_lost(self) -> Lost | None:
        lost, self._lost = self._lost, None
        return lost

    def _in_order(self, messages: list[Msg]) -> list[Msg]:
        """Those up to the first that is missing, which the next consumer brings again."""
        kept = []
        for message in messages:
            if message.metadata.sequence.consumer != self._next_delivery:
                self._connection = None
                break
            self._next_delivery += 1
            self._mark = self.mark(message.metadata.sequence.stream)
            kept.append(message)
        return kept

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
