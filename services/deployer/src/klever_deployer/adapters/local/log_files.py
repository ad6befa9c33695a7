"""Reads the log files of model servers, from the last position on."""

import asyncio
import json
import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

from klever_deployer.ports import LogPart
from kleverkit.durable import replace_file
from kleverroutes.versions import ServingName

from . import processes
from .replica_specs import ReplicaKey

log = structlog.get_logger(__name__)

CHUNK = 64 * 1024
"""Largest size of one part in bytes; encoded as JSON, it fits into one NATS message."""
LONGEST_LINE = 2000
"""Characters; longer lines are truncated."""
LARGEST_FILE = 16 * 1024 * 1024
"""Size in bytes after which a file that was read to its end is truncated."""
LARGEST_BACKLOG = 64 * 1024 * 1024
"""Limit of unread bytes: a server that writes faster than its lines are published must not fill the disk."""


@dataclass
class _Mark:
    """The position in a file."""

    inode: int
    life: str
    """A random id that changes when the file is truncated, so that ids of parts are unique."""
    offset: int = 0


@dataclass
class _Open:
    """A file that is being read; it is read to its end even if it was removed."""

    key: ReplicaKey
    file: BinaryIO
    mark: _Mark

    end: int = 0
    """The end of the last part that was read."""

    @property
    def part_id(self) -> str:
        """The id of the next part."""
        return f"{self.mark.life}-{self.mark.offset}"

    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size


class LogFiles:
    """See `ports.ReplicaLogs`.

    Args:
        directory: holds the files, see `new_name`.
        marks: the file that stores the position in each file, for the next deployer.
    """

    def __init__(self, directory: Path, marks: Path) -> None:
        self._directory = directory
        self._marks = marks
        self._open: dict[Path, _Open] = {}
        self._known: dict[str, _Mark] | None = None
        """Positions, stored by the last deployer, in files that are not open yet."""

    async def read(self) -> list[LogPart]:
        """See `ReplicaLogs`."""
        return await asyncio.to_thread(self._read)

    async def acknowledge(self, parts: Collection[LogPart]) -> None:
        """See `ReplicaLogs`."""
        await asyncio.to_thread(self._acknowledge, parts)

    def _read(self) -> list[LogPart]:
        self._find()
        return [part for path in list(self._open) if (part := self._next(path)) is not None]

    def _acknowledge(self, parts: Collection[LogPart]) -> None:
        if not parts:
            return
        ids = {part.id for part in parts}
        for each in self._open.values():
            if each.part_id in ids:
                each.mark.offset = each.end
        self._write_marks()

    def close(self) -> None:
        """Close the files; the positions are on disk."""
        for each in self._open.values():
            each.file.close()
        self._open.clear()
        self._known = None

    def _write_marks(self) -> None:
        """Store the positions. If the disk is full, lines are published again later, in parts with the same ids."""
        marks = {path.name: asdict(opened.mark) for path, opened in self._open.items()}
        try:
            replace_file(self._marks, json.dumps(marks).encode())
        except OSError as error:
            log.warning("positions in logs not written", error=str(error))

    def _find(self) -> None:
        if self._known is None:
            self._known = _read_marks(self._marks)
        for path in self._directory.glob("*.log"):
            key = _key(path)
            if path in self._open or key is None:
                continue
            with suppress(OSError):
                file = path.open("rb")
                inode = os.fstat(file.fileno()).st_ino
                known = self._known.pop(path.name, None)
                mark = known if known is not None and known.inode == inode else _Mark(inode, _new_life())
                self._open[path] = _Open(key, file, mark)
                self._write_marks()  # otherwise the next deployer would read the same lines with another id

    def _next(self, path: Path) -> LogPart | None:
        """The next part of a file; None if there is no new line."""
        opened = self._open[path]
        size, mark = opened.size(), opened.mark
        if mark.offset > size:  # truncated by someone else, or before a crash
            self._truncate(opened)
        if size - mark.offset > LARGEST_BACKLOG:
            os.truncate(path, 0)
            processes.append_note(
                path, f"{size - mark.offset} bytes were dropped here: they were written faster than they are read"
            )
            self._truncate(opened)
        opened.file.seek(mark.offset)
        taken = _whole_lines(opened.file.read(CHUNK))
        if not taken:
            self._close_or_truncate(path, opened, size)
            return None
        lines = tuple(line[:LONGEST_LINE] for line in taken.decode(errors="replace").splitlines())
        opened.end = mark.offset + len(taken)
        return LogPart(opened.key.version, opened.key.index, opened.part_id, lines)

    def _close_or_truncate(self, path: Path, opened: _Open, size: int) -> None:
        try:
            is_removed = path.stat().st_ino != opened.mark.inode
        except OSError:
            is_removed = True
        if is_removed:
            opened.file.close()
            del self._open[path]
        elif size > LARGEST_FILE and opened.mark.offset == size:
            os.truncate(path, 0)  # servers write in append mode, so they continue at the new end
            self._truncate(opened)

    def _truncate(self, opened: _Open) -> None:
        opened.mark.life, opened.mark.offset = _new_life(), 0
        self._write_marks()


def new_name(key: ReplicaKey) -> str:
    """A unique name for a new log of a replica."""
    return f"{key.id}.{_new_life()}.log"


def name_pattern(key: ReplicaKey) -> str:
    """The glob pattern of a replica's logs."""
    return f"{key.id}.*.log"


def _new_life() -> str:
    return secrets.token_hex(8)


def _whole_lines(chunk: bytes) -> bytes:
    if len(chunk) == CHUNK and b"\n" not in chunk:
        return chunk
    return chunk[: chunk.rfind(b"\n") + 1]


def _key(path: Path) -> ReplicaKey | None:
    """The replica whose id begins the file's name: DNS labels have no dots."""
    try:
        namespace, name, variant, revision, index, _life = path.stem.split(".")
        return ReplicaKey(ServingName(namespace, name), variant, revision, int(index))
    except ValueError:
        return None


def _read_marks(path: Path) -> dict[str, _Mark]:
    try:
        return {name: _Mark(**mark) for name, mark in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
