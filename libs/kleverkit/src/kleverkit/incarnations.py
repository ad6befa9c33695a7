"""Detects a bucket that was lost, recreated or restored from a backup, by its remembered state."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from .documents import Incarnation
from .durable import make_directory, replace_file


class Verdict(StrEnum):
    """The result of comparing a bucket with its remembered state."""

    SAME = "same"
    RECREATED = "recreated"
    """The bucket was recreated: missing entries were lost, not deleted."""
    OLDER = "older"
    """The bucket has an earlier revision than remembered: it was restored from a backup."""


class _Memory(BaseModel):
    model_config = ConfigDict(frozen=True)

    incarnation: Incarnation


def compare(remembered: Incarnation | None, now: Incarnation) -> Verdict:
    """Compare a bucket with its remembered state; without one, the result is SAME."""
    if remembered is None:
        return Verdict.SAME
    if remembered.created != now.created:
        return Verdict.RECREATED
    return Verdict.OLDER if now.last_sequence < remembered.last_sequence else Verdict.SAME


class Incarnate(Protocol):
    """A bucket, or a stream."""

    async def incarnation(self) -> Incarnation:
        """The present identity. Raises TransientError."""
        ...


class Memory(Protocol):
    """Stores the state of a bucket, beside the copies of its entries."""

    async def read(self) -> bytes | None:
        """Return the last written content; None if there is none. Raises TransientError."""
        ...

    async def write(self, content: bytes) -> None:
        """Replace what was written last. Raises OSError."""
        ...


class FileMemory:
    """See `Memory`: a file.

    Args:
        path: in the service's home.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> bytes | None:
        """See `Memory`."""
        return self._path.read_bytes() if self._path.exists() else None

    async def write(self, content: bytes) -> None:
        """See `Memory`."""
        await asyncio.to_thread(self._write, content)

    def _write(self, content: bytes) -> None:
        make_directory(self._path.parent)
        replace_file(self._path, content)


class RememberedBucket:
    """Compares a bucket with its state before, across restarts.

    Args:
        memory: stores the state.
        documents: the bucket, or a stream.
    """

    def __init__(self, memory: Memory, documents: Incarnate) -> None:
        self._memory = memory
        self._documents = documents
        self._remembered: Incarnation | None = None
        self._written: Incarnation | None = None
        self._is_read = False
        self._seen: Incarnation | None = None

    async def look(self) -> Verdict:
        """Compare the bucket with its remembered state, without changing that. Raises TransientError."""
        if not self._is_read:
            self._remembered = self._written = _parsed(await self._memory.read())
            self._is_read = True
        self._seen = await self._documents.incarnation()
        return compare(self._remembered, self._seen)

    async def accept(self) -> None:
        """Remember the state of the last comparison: a bucket that was recreated since is still detected.

        Raises:
            TransientError: there was no comparison, and the bucket does not respond.
            OSError: the state cannot be written; it is then kept in memory.
        """
        if self._seen is None:
            await self.look()
        self._remembered = self._seen
        if self._remembered is not None and self._remembered != self._written:
            await self._memory.write(_Memory(incarnation=self._remembered).model_dump_json().encode())
            self._written = self._remembered


def _parsed(content: bytes | None) -> Incarnation | None:
    """The remembered state; None if there is none that is valid."""
    try:
        return _Memory.model_validate_json(content).incarnation if content is not None else None
    except ValidationError:
        return None
