"""Documents in a JetStream KV bucket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Generic, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.kv import KV_DEL, KV_PURGE, KeyValue

from kleverproto.base import WireModel
from kleverproto.streams import BucketSpec

from .documents import Change, Snapshot, Stored
from .errors import ConflictError, TransientError

DocT = TypeVar("DocT", bound=WireModel)
ResultT = TypeVar("ResultT")

SNAPSHOT_SECONDS = 5
"""Longest silence in the middle of a snapshot."""
QUIET_SECONDS = 0.5
"""How long a watch stays silent before it looks whether the connection was lost meanwhile."""


class NatsDocuments(Generic[DocT]):
    """One bucket; see `kleverkit.documents.Documents`.

    Args:
        client: gives the connected client; a function, because the broker connects after it is built.
        bucket: which bucket.
        document: the documents' type.
    """

    def __init__(self, client: "ClientSource", bucket: BucketSpec, document: type[DocT]) -> None:
        self._client = client
        self._bucket = bucket
        self._document = document
        self._kv: KeyValue | None = None

    async def get(self, key: str) -> Stored[DocT] | None:
        """See `Documents`."""
        bucket = await self._open()
        try:
            entry = await _call(bucket.get(key))
        except nats.js.errors.KeyNotFoundError:
            return None
        return self._stored(entry)

    async def all(self) -> list[Stored[DocT]]:
        """See `Documents`."""
        watcher = await self._watch()
        try:
            snapshot = await self._snapshot(watcher)
        finally:
            await _stop(watcher)
        return list(snapshot.documents)

    async def create(self, key: str, document: DocT) -> int:
        """See `Documents`."""
        bucket = await self._open()
        return await _write(bucket.create(key, _dump(document)), key)

    async def update(self, key: str, document: DocT, revision: int) -> int:
        """See `Documents`."""
        bucket = await self._open()
        return await _write(bucket.update(key, _dump(document), revision), key)

    async def delete(self, key: str, revision: int) -> None:
        """See `Documents`."""
        bucket = await self._open()
        await _write(bucket.delete(key, last=revision), key)

    async def changes(self) -> AsyncIterator[Snapshot[DocT] | Change[DocT]]:
        """See `Documents`."""
        while True:
            connections = _connections(self._client())
            try:
                watcher = await self._watch()
            except TransientError:
                await asyncio.sleep(QUIET_SECONDS)
                continue
            try:
                yield await self._snapshot(watcher)
                async for change in self._follow(watcher, connections):
                    yield change
            except TransientError:
                continue
            finally:
                await _stop(watcher)

    async def _follow(self, watcher: KeyValue.KeyWatcher, connections: int) -> AsyncIterator[Change[DocT]]:
        """Yield changes until the connection has been replaced: the ordered consumer died with the old one."""
        while _connections(self._client()) == connections:
            try:
                entry = await watcher.updates(timeout=QUIET_SECONDS)  # type: ignore[no-untyped-call] # nats-py
            except TimeoutError:
                continue
            if entry is not None:
                yield self._change(entry)

    async def _snapshot(self, watcher: KeyValue.KeyWatcher) -> Snapshot[DocT]:
        found: dict[str, Stored[DocT]] = {}
        try:
            while (entry := await watcher.updates(timeout=SNAPSHOT_SECONDS)) is not None:  # type: ignore[no-untyped-call]
                if not _is_deletion(entry):
                    found[entry.key] = self._stored(entry)
        except TimeoutError as error:
            raise TransientError(f"{self._bucket.name} did not send its documents") from error
        return Snapshot(tuple(found[key] for key in sorted(found)))

    async def _open(self) -> KeyValue:
        if self._kv is None:
            self._kv = await _call(self._client().jetstream().key_value(self._bucket.name))
        return self._kv

    async def _watch(self) -> KeyValue.KeyWatcher:
        bucket = await self._open()
        return await _call(bucket.watchall())

    def _stored(self, entry: KeyValue.Entry) -> Stored[DocT]:
        document = self._document.model_validate_json(entry.value or b"")
        return Stored(entry.key, document, entry.revision or 0)

    def _change(self, entry: KeyValue.Entry) -> Change[DocT]:
        if _is_deletion(entry):
            return Change(entry.key, None, entry.revision or 0)
        stored = self._stored(entry)
        return Change(stored.key, stored.document, stored.revision)


class ClientSource:
    """Gives the connected NATS client of a broker that may not be connected yet."""

    def __init__(self) -> None:
        self._client: Client | None = None

    def set(self, client: Client) -> None:
        """Called once, when the broker has connected."""
        self._client = client

    def __call__(self) -> Client:
        """The client.

        Raises:
            TransientError: not connected yet.
        """
        if self._client is None:
            raise TransientError("not connected to NATS yet")
        return self._client

    async def is_connected(self) -> bool:
        """A readiness check."""
        return self._client is not None and self._client.is_connected


def _dump(document: WireModel) -> bytes:
    return document.model_dump_json(exclude_defaults=False).encode()


def _is_deletion(entry: KeyValue.Entry) -> bool:
    return entry.operation in {KV_DEL, KV_PURGE}


def _connections(client: Client) -> int:
    return client.stats["reconnects"]


async def _stop(watcher: KeyValue.KeyWatcher) -> None:
    try:
        await watcher.stop()  # type: ignore[no-untyped-call] # nats-py
    except (nats.errors.Error, OSError):
        return  # the consumer went with its connection


async def _write(call: Awaitable[ResultT], key: str) -> ResultT:
    try:
        return await _call(call)
    except nats.js.errors.KeyWrongLastSequenceError as error:
        raise ConflictError(f"{key} was changed by someone else") from error
    except nats.js.errors.BadRequestError as error:
        if error.err_code == WRONG_LAST_SEQUENCE:
            raise ConflictError(f"{key} was changed by someone else") from error
        raise


WRONG_LAST_SEQUENCE = 10071
"""JetStream's error code for a write that expected another revision."""


async def _call(call: Awaitable[ResultT]) -> ResultT:
    """Turn "cannot be reached" into TransientError; answers of the server pass."""
    try:
        return await call
    except (nats.js.errors.ServiceUnavailableError, nats.js.errors.NoStreamResponseError) as error:
        raise TransientError(f"NATS does not answer: {error}") from error
    except nats.js.errors.APIError:
        raise
    except (nats.errors.Error, TimeoutError, OSError) as error:
        raise TransientError(f"NATS does not answer: {str(error) or type(error).__name__}") from error
