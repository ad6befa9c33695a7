"""What model servers write into their log files, read on from where it was read before."""

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

from klever_deployer.domain.versions import ServingName
from klever_deployer.ports import LogPart
from kleverkit.durable import replace_file

from . import processes
from .replica_specs import ReplicaKey

log = structlog.get_logger(__name__)

CHUNK = 64 * 1024
"""Bytes of one part at most: with what JSON adds, it fits into one message of NATS."""
LONGEST_LINE = 2000
"""Characters; the rest of a line is left out."""
LARGEST_FILE = 16 * 1024 * 1024
"""A file that was read to its end and is larger begins anew."""
LARGEST_BACKLOG = 64 * 1024 * 1024
"""Bytes that wait to be read at most: a server that writes faster than its lines are taken must not fill the disk."""


@dataclass
class _Mark:
    """How far a file was read."""

    inode: int
    life: str
    """Another one each time the file begins anew, so that no part's id comes twice."""
    offset: int = 0


@dataclass
class _Open:
    """A file being read; it is read to its end even after someone has removed it."""

    key: ReplicaKey
    file: BinaryIO
    mark: _Mark

    end: int = 0
    """Where the part after the one that was read last begins."""

    @property
    def part_id(self) -> str:
        """Of the part that comes next."""
        return f"{self.mark.life}-{self.mark.offset}"

    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size


class LogFiles:
    """See `ports.ReplicaLogs`.

    Args:
        directory: of the files, see `new_name`.
        marks: remembers how far each file was read, for the next deployer.
    """

    def __init__(self, directory: Path, marks: Path) -> None:
        self._directory = directory
        self._marks = marks
        self._open: dict[Path, _Open] = {}
        self._known: dict[str, _Mark] | None = None
        """Of the files that are not open yet, from the last deployer."""

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
        """Close the files; how far they were read is on disk."""
        for each in self._open.values():
            each.file.close()
        self._open.clear()
        self._known = None

    def _write_marks(self) -> None:
        """Without space, lines come again with the next deployer, as parts that were published before."""
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
                self._write_marks()  # else the next deployer reads the same lines by another life

    def _next(self, path: Path) -> LogPart | None:
        """What comes next in a file; None where nothing does."""
        opened = self._open[path]
        size, mark = opened.size(), opened.mark
        if mark.offset > size:  # begun anew, by someone else or before a crash
            self._begin_anew(opened)
        if size - mark.offset > LARGEST_BACKLOG:
            os.truncate(path, 0)
            processes.note(path, f"{size - mark.offset} bytes were dropped here: they came faster than they are read")
            self._begin_anew(opened)
        opened.file.seek(mark.offset)
        taken = _whole_lines(opened.file.read(CHUNK))
        if not taken:
            self._leave_or_shorten(path, opened, size)
            return None
        lines = tuple(line[:LONGEST_LINE] for line in taken.decode(errors="replace").splitlines())
        opened.end = mark.offset + len(taken)
        return LogPart(opened.key.version, opened.key.index, opened.part_id, lines)

    def _leave_or_shorten(self, path: Path, opened: _Open, size: int) -> None:
        try:
            gone = path.stat().st_ino != opened.mark.inode
        except OSError:
            gone = True
        if gone:
            opened.file.close()
            del self._open[path]
        elif size > LARGEST_FILE and opened.mark.offset == size:
            os.truncate(path, 0)  # servers append, so they continue at the new end
            self._begin_anew(opened)

    def _begin_anew(self, opened: _Open) -> None:
        opened.mark.life, opened.mark.offset = _new_life(), 0
        self._write_marks()


def new_name(key: ReplicaKey) -> str:
    """The name of a log that no other has had, of the same replica or before it."""
    return f"{key.id}.{_new_life()}.log"


def name_pattern(key: ReplicaKey) -> str:
    """Which files are logs of a replica."""
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
