"""Documents in a JetStream KV bucket."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import nats.js.errors
import structlog
from nats.js.client import JetStreamContext
from pydantic import ValidationError

from kleverproto.base import WireModel
from kleverproto.documents import Tombstone
from kleverproto.mistakes import describe_mistakes
from kleverproto.streams import BucketSpec

from .bucket_reading import OPERATION, Entry, is_deletion, reading
from .documents import Buried, Change, Incarnation, Listing, Snapshot, Stored, Unreadable
from .errors import ConflictError, TransientError
from .nats_calls import ClientSource, call

DocT = TypeVar("DocT", bound=WireModel)
EntryT = TypeVar("EntryT", bound=Stored[Any] | Buried[Any])

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.25
"""Interval between attempts to read a bucket that does not respond."""
EXPECTED_REVISION = "Nats-Expected-Last-Subject-Sequence"
WRONG_LAST_SEQUENCE = 10071
"""JetStream's error code for a write that expected another revision."""


class NatsDocuments(Generic[DocT]):
    """One bucket; see `kleverkit.documents.Documents`.

    Args:
        client: returns the connected client; a function, because the broker connects later.
        bucket: the bucket.
        document: the type of the documents.
    """

    def __init__(self, client: ClientSource, bucket: BucketSpec, document: type[DocT]) -> None:
        self._client = client
        self._stream = f"KV_{bucket.name}"
        self._prefix = f"$KV.{bucket.name}."
        self._document = document
        self._tombstone = Tombstone[document]  # type: ignore[valid-type] # chosen at run time

    async def get(self, key: str) -> Stored[DocT] | None:
        """See `Documents`."""
        entry = await self.find(key)
        return entry if isinstance(entry, Stored) else None

    async def find(self, key: str) -> Stored[DocT] | Buried[DocT] | None:
        """See `Documents`. Reads from the stream's leader, since replicas may lag behind."""
        try:
            message = await call(self._js.get_msg(self._stream, subject=self._prefix + key))
        except nats.js.errors.NotFoundError:
            return None
        entry = Entry(
            key=key,
            value=message.data or b"",
            revision=message.seq or 0,
            written_at=message.time or datetime.now(UTC),
            is_deletion=is_deletion(message.headers),
        )
        return self._read(entry)

    async def listing(self) -> Listing[DocT]:
        """See `Documents`."""
        async with reading(self._client(), self._stream, self._prefix) as reader:
            read = [self._read_or_not(entry) for entry in await reader.entries()]
        return Listing(
            tuple(_by_key(each for each in read if isinstance(each, Stored))),
            tuple(_by_key(each for each in read if isinstance(each, Buried))),
            tuple(each for each in read if isinstance(each, Unreadable)),
        )

    async def create(self, key: str, document: DocT) -> int:
        """See `Documents`."""
        present = await self.find(key)
        if isinstance(present, Stored):
            raise ConflictError(f"{key} exists")
        return await self._write(key, _dump(document), present.revision if present else 0)

    async def update(self, key: str, document: DocT, revision: int) -> int:
        """See `Documents`."""
        return await self._write(key, _dump(document), revision)

    async def bury(self, key: str, tombstone: Tombstone[DocT], revision: int) -> int:
        """See `Documents`."""
        return await self._write(key, _dump(tombstone), revision, {OPERATION: "DEL"})

    async def forget(self, key: str, revision: int) -> None:
        """See `Documents`. Writes after the tombstone have a higher revision and are kept."""
        await call(self._js.purge_stream(self._stream, seq=revision + 1, subject=self._prefix + key))

    async def changes(self) -> AsyncGenerator[Snapshot[DocT] | Change[DocT], None]:
        """See `Documents`."""
        while True:
            try:
                async with reading(self._client(), self._stream, self._prefix) as reader:
                    incarnation = await self.incarnation()
                    listed = [self._read_or_skip(entry) for entry in await reader.entries()]
                    yield Snapshot(
                        tuple(_by_key(each for each in listed if isinstance(each, Stored))),
                        incarnation,
                        tuple(_by_key(each for each in listed if isinstance(each, Buried))),
                    )
                    async for entry in reader.changes():
                        if (read := self._read_or_skip(entry)) is not None:
                            yield _change(read)
            except TransientError as error:
                log.warning("watch of a bucket interrupted, reading it again", bucket=self._stream, error=str(error))
                await asyncio.sleep(PAUSE_SECONDS)

    async def incarnation(self) -> Incarnation:
        """See `Documents`."""
        return await NatsStream(self._client, self._stream).incarnation()

    @property
    def _js(self) -> JetStreamContext:
        return self._client().jetstream()

    def _read(self, entry: Entry) -> Stored[DocT] | Buried[DocT]:
        """Parse an entry. Raises TransientError if this release cannot parse it: it must not be treated as absent."""
        try:
            if entry.is_deletion:
                return Buried(entry.key, self._tombstone_of(entry), entry.revision)
            return Stored(entry.key, self._document.model_validate_json(entry.value), entry.revision)
        except ValidationError as error:
            raise TransientError(
                f"{self._prefix}{entry.key} cannot be read: {describe_mistakes(error, self._document)}"
            ) from error

    def _tombstone_of(self, entry: Entry) -> Tombstone[DocT]:
        """Parse the tombstone in a deletion marker.

        An empty marker was written by an operator (`nats kv del`), and has no event to publish. A marker always proves
        the deletion, even if its content cannot be parsed.
        """
        if not entry.value:
            return Tombstone(announced=True, deleted_at=entry.written_at)
        try:
            return self._tombstone.model_validate_json(entry.value)
        except ValidationError as error:
            log.error("tombstone not readable", key=f"{self._prefix}{entry.key}", error=str(error))  # noqa: TRY400
            return Tombstone(deleted_at=entry.written_at)

    def _read_or_skip(self, entry: Entry) -> Stored[DocT] | Buried[DocT] | None:
        """Parse an entry for a watch, which skips unreadable documents."""
        read = self._read_or_not(entry)
        if isinstance(read, Unreadable):
            log.error("document skipped", key=f"{self._prefix}{read.key}", error=read.why)
            return None
        return read

    def _read_or_not(self, entry: Entry) -> Stored[DocT] | Buried[DocT] | Unreadable:
        try:
            return self._read(entry)
        except TransientError as error:
            return Unreadable(entry.key, entry.revision, str(error))

    async def _write(self, key: str, content: bytes, revision: int, headers: dict[str, str] | None = None) -> int:
        expected = {EXPECTED_REVISION: str(revision)} | (headers or {})
        subject = self._prefix + key
        try:
            written = await call(self._js.publish(subject, content, stream=self._stream, headers=expected))
        except nats.js.errors.APIError as error:
            if error.err_code == WRONG_LAST_SEQUENCE:
                raise ConflictError(f"{key} was changed by another writer") from error
            raise
        return written.seq


class NatsStream:
    """The identity of a stream; see `kleverkit.incarnations.Incarnate`.

    Args:
        client: returns the connected client.
        name: the name of the stream.
    """

    def __init__(self, client: ClientSource, name: str) -> None:
        self._client = client
        self._name = name

    async def incarnation(self) -> Incarnation:
        """The identity of the present stream. Raises TransientError."""
        info = await call(self._client().jetstream().stream_info(self._name))
        if info.created is None:
            raise TransientError(f"NATS does not say when {self._name} was created")
        return Incarnation(info.created, info.state.last_seq)


def _dump(document: WireModel) -> bytes:
    return document.model_dump_json(exclude_defaults=False).encode()


def _change(read: Stored[DocT] | Buried[DocT]) -> Change[DocT]:
    if isinstance(read, Stored):
        return Change(read.key, read.document, read.revision)
    return Change(read.key, None, read.revision, read.tombstone)


def _by_key(entries: Iterable[EntryT]) -> list[EntryT]:
    return sorted(entries, key=lambda each: each.key)
