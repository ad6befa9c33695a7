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


class RememberedBucket:
    """Compares a bucket with its state before, across restarts.

    Args:
        path: the file that stores the state, in the service's home.
        documents: the bucket, or a stream.
    """

    def __init__(self, path: Path, documents: Incarnate) -> None:
        self._path = path
        self._documents = documents
        self._remembered = self._written = _read(path)
        self._seen: Incarnation | None = None

    async def look(self) -> Verdict:
        """Compare the bucket with its remembered state, without changing that. Raises TransientError."""
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
            await asyncio.to_thread(self._write, self._remembered)
            self._written = self._remembered

    def _write(self, incarnation: Incarnation) -> None:
        make_directory(self._path.parent)
        replace_file(self._path, _Memory(incarnation=incarnation).model_dump_json().encode())


def _read(path: Path) -> Incarnation | None:
    """Read the remembered state; None if there is no valid file."""
    try:
        return _Memory.model_validate_json(path.read_bytes()).incarnation
    except (FileNotFoundError, ValidationError):
        return None
