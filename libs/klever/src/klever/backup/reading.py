"""Reads the members of a backup."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TypeVar

from pydantic import TypeAdapter, ValidationError

from .errors import BackupError
from .members import (
    BLOBS,
    CONSUMER_LIST,
    CONSUMERS,
    DIGEST_LIST,
    HOME,
    REPOSITORIES,
    Consumer,
    Header,
    Repository,
    StreamState,
    blob_name,
    blobs_name,
    chunk_name,
    index_name,
    state_name,
)

ValueT = TypeVar("ValueT")

PIECE = 1024 * 1024


@dataclass(frozen=True)
class Span:
    """The position of a member's content in the archive."""

    offset: int
    size: int


class Backup:
    """A backup that was verified; see `verification`.

    Args:
        file: the archive.
        spans: positions of its members.
        header: the content of its first member.
    """

    def __init__(self, file: IO[bytes], spans: Mapping[str, Span], header: Header) -> None:
        self._file = file
        self._spans = spans
        self.header = header

    @property
    def size(self) -> int:
        """The size of all members in bytes."""
        return sum(span.size for span in self._spans.values())

    @property
    def names(self) -> list[str]:
        """The names of all members, in order."""
        return list(self._spans)

    def home_files(self) -> list[str]:
        """Return the relative paths of the files of the home."""
        return [name.removeprefix(HOME) for name in self._spans if name.startswith(HOME)]

    def home_file(self, path: str) -> bytes:
        """Return the content of a file of the home."""
        return self.read(HOME + path)

    def consumers(self) -> tuple[Consumer, ...]:
        """Return the positions of consumers. Raises BackupError."""
        return self.parsed(CONSUMERS, CONSUMER_LIST)

    def state(self, stream: str) -> StreamState:
        """Return the state of a stream. Raises BackupError."""
        return self.parsed(state_name(stream), TypeAdapter(StreamState))

    def chunks(self, stream: str) -> Iterator[bytes]:
        """Yield the snapshot of a stream."""
        number = 1
        while chunk_name(stream, number) in self._spans:
            yield self.read(chunk_name(stream, number))
            number += 1

    def blobs(self) -> list[str]:
        """Return the digests of all blobs."""
        return [name.removeprefix(BLOBS).replace("/", ":") for name in self._spans if name.startswith(BLOBS)]

    def blob(self, digest: str) -> Iterator[bytes]:
        """Yield a blob in pieces."""
        span = self._spans[blob_name(digest)]
        self._file.seek(span.offset)
        left = span.size
        while left and (piece := self._file.read(min(left, PIECE))):
            left -= len(piece)
            yield piece

    def small_blob(self, digest: str, limit: int) -> bytes:
        """Return the content of a blob. Raises BackupError if it exceeds a limit in bytes."""
        if self._spans[blob_name(digest)].size > limit:
            raise BackupError(f"the manifest {digest} has more than {limit} bytes")
        return self.read(blob_name(digest))

    def repositories(self) -> Iterator[Repository]:
        """Yield the repositories of the registry. Raises BackupError."""
        for member in self._spans:
            if member.startswith(REPOSITORIES) and member.endswith("/index.json"):
                name = member.removeprefix(REPOSITORIES).removesuffix("/index.json")
                yield Repository(name, self.read(index_name(name)), self.parsed(blobs_name(name), DIGEST_LIST))

    def has(self, name: str) -> bool:
        """Return whether there is a member with this name."""
        return name in self._spans

    def parsed(self, name: str, adapter: TypeAdapter[ValueT]) -> ValueT:
        """Return a member as a value. Raises BackupError."""
        try:
            return adapter.validate_json(self.read(name))
        except ValidationError as error:
            raise BackupError(f"its member {name} cannot be read") from error

    def read(self, name: str) -> bytes:
        """Return the content of a member of limited size. Raises BackupError if there is none."""
        span = self._spans.get(name)
        if span is None:
            raise BackupError(f"it is incomplete: {name} is missing")
        self._file.seek(span.offset)
        return self._file.read(span.size)
