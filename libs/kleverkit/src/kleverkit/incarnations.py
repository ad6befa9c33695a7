"""What a service remembers of a bucket, to recognise one that was lost, recreated or restored from a backup."""

from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from .documents import Documents, Incarnation
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


class RememberedBucket:
    """Compares a bucket with what was remembered of it, over restarts.

    Args:
        path: a file in the service's own home.
        documents: the bucket.
    """

    def __init__(self, path: Path, documents: Documents[Any]) -> None:
        self._path = path
        self._documents = documents
        self._remembered = _read(path)

    async def look(self) -> Verdict:
        """Compare; nothing is remembered by this. Raises TransientError."""
        return compare(self._remembered, await self._documents.incarnation())

    async def accept(self) -> None:
        """Remember the bucket as it is now. Raises TransientError, OSError."""
        now = await self._documents.incarnation()
        if now != self._remembered:
            make_directory(self._path.parent)
            replace_file(self._path, _Memory(incarnation=now).model_dump_json().encode())
            self._remembered = now


def _read(path: Path) -> Incarnation | None:
    """What was remembered; a file that cannot be understood is as good as none."""
    try:
        return _Memory.model_validate_json(path.read_bytes()).incarnation
    except (FileNotFoundError, ValidationError):
        return None
