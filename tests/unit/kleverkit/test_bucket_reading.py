"""The end of a listing at the level of library messages: only the server's count of remaining messages may end it."""

from collections import deque
from datetime import UTC, datetime

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api

from kleverkit.bucket_reading import PATIENCE, BucketReader
from kleverkit.errors import TransientError

PREFIX = "$KV.bucket."


def message(key: str, *, sequence: int, pending: int, operation: str | None = None) -> Msg:
    reply = f"$JS.ACK.KV_bucket.consumer.1.{sequence + 100}.{sequence}.1700000000000000000.{pending}"
    headers = {"KV-Operation": operation} if operation else None
    return Msg(_client=Client(), subject=PREFIX + key, reply=reply, data=b"{}", headers=headers)


class Server:
    """A consumer with scripted batches; an empty one is a pull that ends without a message."""

    def __init__(self, *batches: list[Msg], delivered: int = 0, pending: int = 0) -> None:
        self._batches = deque(batches)
        self._delivered = delivered
        self._pending = pending

    async def fetch(self, _batch: int = 1, _timeout: float | None = 5) -> list[Msg]:
        batch = self._batches.popleft() if self._batches else []
        if not batch:
            raise TimeoutError
        return batch

    async def consumer_info(self) -> api.ConsumerInfo:
        delivered = api.SequenceInfo(consumer_seq=self._delivered, stream_seq=self._delivered)
        config = api.ConsumerConfig()
        return api.ConsumerInfo(
            name="c",
            stream_name="s",
            config=config,
            created=datetime.now(UTC),
            delivered=delivered,
            num_pending=self._pending,
        )


def reader(server: Server, pending: int) -> BucketReader:
    return BucketReader(server, PREFIX, pending)


async def test_entries_that_are_sent_but_not_handled_yet_belong_to_the_listing() -> None:
    """nats-py's watch ends here: the server has no more messages to send, and none was handled."""
    late = [message("a", sequence=1, pending=1), message("b", sequence=2, pending=0)]
    server = Server([], late, delivered=2, pending=0)
    assert [entry.key for entry in await reader(server, 2).entries()] == ["a", "b"]


async def test_an_interrupted_listing_is_an_error() -> None:
    server = Server([message("a", sequence=1, pending=2)], delivered=1, pending=2)
    with pytest.raises(TransientError, match="2 entries"):
        await reader(server, 3).entries()


async def test_entries_that_never_arrive_are_an_error() -> None:
    server = Server(*[[] for _ in range(PATIENCE)], delivered=2, pending=0)
    with pytest.raises(TransientError, match="did not arrive"):
        await reader(server, 2).entries()


async def test_a_gap_is_an_error() -> None:
    server = Server([message("b", sequence=2, pending=0)])
    with pytest.raises(TransientError, match="lost"):
        await reader(server, 2).entries()


async def test_an_empty_bucket_needs_no_message() -> None:
    assert await reader(Server(), 0).entries() == []


async def test_a_listing_completes_although_entries_are_removed_meanwhile() -> None:
    server = Server([message("a", sequence=1, pending=1)], delivered=1, pending=0)
    assert [entry.key for entry in await reader(server, 2).entries()] == ["a"]


async def test_a_later_write_of_a_key_wins_and_deletions_are_marked() -> None:
    batch = [message("a", sequence=1, pending=1), message("a", sequence=2, pending=0, operation="DEL")]
    (entry,) = await reader(Server(batch), 1).entries()
    assert (entry.revision, entry.is_deletion) == (102, True)
