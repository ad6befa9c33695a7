"""Reads a KV bucket so that the end of a listing is certain.

nats-py's `watchall` can report the end of a listing while entries are still in transit, so that under load a listing is
empty. This module reads the last entry of each key with its own pull consumer, and only the server's count of pending
entries (`num_pending`) ends a listing. An incomplete listing is an error, never a shorter listing.
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api
from nats.js.client import JetStreamContext

from .errors import TransientError
from .nats_calls import call

BATCH = 256
PATIENCE = 5
"""Consecutive pulls without a message, while some are pending, until a listing counts as incomplete."""
FETCH_SECONDS = 1.0
"""Longest wait of one pull; also the time in which a watch detects that its consumer was deleted."""
FORGET_SECONDS = 30.0
"""Time without a pull after which the server removes a consumer."""
DELETIONS = frozenset({"DEL", "PURGE"})
OPERATION, MARKER_REASON = "KV-Operation", "Nats-Marker-Reason"


@dataclass(frozen=True)
class Entry:
    """The last write of a key."""

    key: str
    value: bytes
    revision: int
    written_at: datetime
    is_deletion: bool


class Messages(Protocol):
    """The part of nats-py's pull subscription that is used here."""

    async def fetch(self, batch: int = 1, timeout: float | None = 5) -> list[Msg]:  # noqa: ASYNC109 - nats-py's name
        """Fetch at most this number of messages. Raises TimeoutError if none arrives in time."""
        ...

    async def consumer_info(self) -> api.ConsumerInfo:
        """The state of the consumer. Raises NotFoundError if it was deleted."""
        ...


class BucketReader:
    """Reads the entries of one consumer in order.

    Args:
        messages: the consumer's subscription.
        prefix: the part of a subject before the key.
        pending: number of entries when the consumer was created.
    """

    def __init__(self, messages: Messages, prefix: str, pending: int) -> None:
        self._messages = messages
        self._prefix = prefix
        self._left = pending
        self._delivered = 0
        self._silences = 0

    async def entries(self) -> list[Entry]:
        """The last entry of every key. Raises TransientError if the listing is incomplete."""
        entries: dict[str, Entry] = {}
        while self._left:
            entries |= {entry.key: entry for entry in await self._batch()}
        return list(entries.values())

    async def changes(self) -> AsyncIterator[Entry]:
        """Every further entry. Raises TransientError when some may have been missed."""
        while True:
            for entry in await self._batch():
                yield entry

    async def _batch(self) -> list[Entry]:
        """The next entries; empty if there are none yet. Raises TransientError if the consumer was deleted."""
        messages = await call(self._fetch())
        if not messages:
            await self._on_silence()
            return []
        self._silences = 0
        return [self._entry(message) for message in messages]

    async def _fetch(self) -> list[Msg]:
        try:
            return await self._messages.fetch(BATCH, FETCH_SECONDS)
        except TimeoutError:
            return []

    async def _on_silence(self) -> None:
        """Ask the server why no message arrived: none is pending, some are late, or the consumer was deleted."""
        info = await call(self._messages.consumer_info())
        delivered = info.delivered.consumer_seq if info.delivered else 0
        self._left = (info.num_pending or 0) + delivered - self._delivered
        self._silences = self._silences + 1 if self._left else 0
        if self._silences >= PATIENCE:
            raise TransientError(f"{self._left} entries of {self._prefix} did not arrive")

    def _entry(self, message: Msg) -> Entry:
        self._delivered += 1
        metadata = message.metadata
        if metadata.sequence.consumer != self._delivered:
            raise TransientError(f"entries of {self._prefix} were lost on their way")
        self._left = metadata.num_pending
        return Entry(
            key=message.subject.removeprefix(self._prefix),
            value=message.data,
            revision=metadata.sequence.stream,
            written_at=metadata.timestamp,
            is_deletion=is_deletion(message.headers),
        )


def is_deletion(headers: Mapping[str, str] | None) -> bool:
    """Return whether a message of a KV bucket marks a deletion."""
    return headers is not None and (headers.get(OPERATION) in DELETIONS or MARKER_REASON in headers)


@asynccontextmanager
async def reading(client: Client, stream: str, prefix: str) -> AsyncIterator[BucketReader]:
    """Yield a reader of a bucket, from the last entry of each key on; its consumer is deleted after the block.

    Raises:
        TransientError: the bucket does not exist or does not respond.
    """
    js = client.jetstream()
    info = await call(js.add_consumer(stream, config=_consumer(prefix)))
    subscription = await call(js.pull_subscribe_bind(consumer=info.name, stream=stream))
    try:
        yield BucketReader(subscription, prefix, info.num_pending or 0)
    finally:
        await _close(js, subscription, stream, info.name)


def _consumer(prefix: str) -> api.ConsumerConfig:
    return api.ConsumerConfig(
        name=secrets.token_hex(16),  # cannot be guessed by others, who could otherwise take its messages
        deliver_policy=api.DeliverPolicy.LAST_PER_SUBJECT,
        ack_policy=api.AckPolicy.NONE,
        filter_subject=f"{prefix}>",
        inactive_threshold=FORGET_SECONDS,
        mem_storage=True,
        num_replicas=1,
    )


async def _close(
    js: JetStreamContext, subscription: JetStreamContext.PullSubscription, stream: str, consumer: str
) -> None:
    """Delete the consumer. Errors are ignored: the server removes a consumer without pulls."""
    with suppress(nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError):
        await subscription.unsubscribe()
        await js.delete_consumer(stream, consumer)
