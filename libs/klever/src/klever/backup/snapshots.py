"""Snapshots of streams by the JetStream API (NATS ADR-1), which nats-py does not have.

A snapshot keeps sequences and times of messages, by which documents, positions and events refer to each other. Its
chunks are acknowledged one by one, so that the memory of both sides is limited.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import api

from .answers import answered
from .errors import BackupError
from .members import CHUNK_BYTES, StreamState

REQUEST_SECONDS = 600.0
"""Timeout of a request: the server checks all messages of the stream before it responds."""
CHUNK_SECONDS = 60.0
CLOSED_SECONDS = 1.0
"""Time after which a closed connection is noticed."""
COMPLETE = "204"
"""Status of the message after the last chunk."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that is being received.

    Attributes:
        state: the content of the stream.
        chunks: the bytes.
    """

    state: StreamState
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def snapshot(client: Client, stream: str) -> AsyncIterator[Snapshot]:
    """Yield a snapshot of a stream without its consumers. Raises BackupError."""
    inbox = client.new_inbox()
    subscription = await answered(client.subscribe(inbox))
    try:
        await answered(client.flush())
        body = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": CHUNK_BYTES, "jsck": True}
        response = await _request(client, f"$JS.API.STREAM.SNAPSHOT.{stream}", json.dumps(body).encode(), stream)
        yield Snapshot(_state(response["state"]), _chunks(subscription, stream))
    finally:
        with suppress(nats.errors.Error):  # the connection is closed
            await subscription.unsubscribe()


async def restore(client: Client, config: api.StreamConfig, state: StreamState, chunks: Iterator[bytes]) -> StreamState:
    """Create a stream from a snapshot; returns its state. Raises BackupError."""
    stream = str(config.name)
    body = {"config": config.as_dict(), "state": state.model_dump(by_alias=False)}
    response = await _request(client, f"$JS.API.STREAM.RESTORE.{stream}", json.dumps(body).encode(), stream)
    subject = str(response["deliver_subject"])
    for chunk in chunks:
        answer = await _send(client, subject, chunk, stream)
        if answer:
            raise BackupError(f"NATS cannot restore {stream}: {answer.decode(errors='replace')}")
    created = await _request(client, subject, b"", stream)
    return _state(created["state"])


async def _chunks(subscription: Subscription, stream: str) -> AsyncIterator[bytes]:
    number = 0
    while True:
        message = await _next(subscription, stream)
        if not message.data:
            _check_end(message, stream)
            return
        number += 1
        if message.reply and message.reply.rpartition(".")[2] != str(number):
            raise BackupError(f"a part of the snapshot of {stream} was lost: create the backup again")
        yield message.data
        if message.reply:
            await answered(message.respond(b""))


async def _next(subscription: Subscription, stream: str) -> Msg:
    try:
        return await subscription.next_msg(CHUNK_SECONDS)
    except (nats.errors.Error, TimeoutError) as error:
        raise BackupError(f"NATS does not send the snapshot of {stream}: create the backup again") from error


def _check_end(message: Msg, stream: str) -> None:
    headers = message.headers or {}
    status = headers.get("Status", COMPLETE)
    if status != COMPLETE:
        reason = headers.get("Description", "")
        raise BackupError(f"NATS cannot complete the snapshot of {stream}: {status} {reason}".rstrip())


async def _request(client: Client, subject: str, body: bytes, stream: str) -> dict[str, Any]:
    response: dict[str, Any] = json.loads(await _send(client, subject, body, stream))
    if error := response.get("error"):
        raise BackupError(f"NATS refuses the snapshot of {stream}: {error.get('description', error)}")
    return response


async def _send(client: Client, subject: str, body: bytes, stream: str) -> bytes:
    try:
        return await _send_while_connected(client, subject, body)
    except (nats.errors.Error, OSError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise BackupError(f"NATS does not answer while {stream} is transferred: {reason}") from error


async def _send_while_connected(client: Client, subject: str, body: bytes) -> bytes:
    """Send a request; nats-py waits for the response for the whole timeout, even if the connection is closed."""
    request = asyncio.ensure_future(client.request(subject, body, timeout=REQUEST_SECONDS))
    try:
        while not (await asyncio.wait({request}, timeout=CLOSED_SECONDS))[0]:
            if client.is_closed:
                raise nats.errors.ConnectionClosedError
        return (await request).data
    finally:
        request.cancel()


def _state(document: dict[str, Any]) -> StreamState:
    return StreamState.model_validate(document)
