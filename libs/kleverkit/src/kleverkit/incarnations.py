"""What a service remembers of a bucket, to recognise one that was lost, recreated or restored from a backup."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from .documents import Incarnation
from .durable import make_directory, replace_file


class Verdict(StrEnum):
    """A bucket as it is, against what is remembered of it."""

    SAME = "same"
    RECREATED = "recreated"
    """It was created again: what it lacks was lost, not deleted."""
    OLDER = "older"
    """It is at an earlier revision than was seen: it was restored from a backup."""


class _Memory(BaseModel):
    model_config = ConfigDict(frozen=True)

    incarnation: Incarnation


def compare(remembered: Incarnation | None, now: Incarnation) -> Verdict:
    """What became of a bucket; one that was never seen before is the same."""
    if remembered is None:
        return Verdict.SAME
    if remembered.created != now.created:
        return Verdict.RECREATED
    return Verdict.OLDER if now.last_sequence < remembered.last_sequence else Verdict.SAME


class Incarnate(Protocol):
    """A bucket, or a stream."""

    async def incarnation(self) -> Incarnation:
        """Which one it is now. Raises TransientError."""
        ...


class RememberedBucket:
    """Compares a bucket with what was remembered of it, over restarts.

    Args:
        path: a file in the service's own home.
        documents: the bucket, or a stream.
    """

    def __init__(self, path: Path, documents: Incarnate) -> None:
        self._path = path
        self._documents = documents
        self._remembered = self._written = _read(path)
        self._seen: Incarnation | None = None

    async def look(self) -> Verdict:
        """Compare; nothing is remembered by this. Raises TransientError."""
        self._seen = await self._documents.incarnation()
        return compare(self._remembered, self._seen)

    async def accept(self) -> None:
        """Remember the bucket as it was at the last look: one that was created since is still another.

        Raises:
            TransientError: there was no look, and the bucket does not answer.
            OSError: it cannot be written down; until it can, it is remembered for as long as this process runs.
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
    """What was remembered; a file that cannot be understood is as good as none."""
    try:
        return _Memory.model_validate_json(path.read_bytes()).incarnation
    except (FileNotFoundError, ValidationError):
        return None
