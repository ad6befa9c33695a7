"""What model servers write into their log files, read on from where it was read before."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from klever_deployer.domain.replicas import ReplicaKey, ServingName
from klever_deployer.ports import LogPart

CHUNK = 64 * 1024
"""Bytes of one part at most: with what JSON adds, it fits into one message of NATS."""
LONGEST_LINE = 2000
"""Characters; the rest of a line is left out."""
LARGEST_FILE = 16 * 1024 * 1024
"""A file that was read to its end and is larger begins anew."""


@dataclass
class _Open:
    """A file being read; it is read to its end even after someone has removed it."""

    key: ReplicaKey
    file: BinaryIO
    inode: int
    offset: int


class LogFiles:
    """See `ports.ReplicaLogs`.

    Args:
        directory: of the files `<replica>.log`.
        marks: remembers how far each file was read, for the next deployer.
    """

    def __init__(self, directory: Path, marks: Path) -> None:
        self._directory = directory
        self._marks = marks
        self._open: dict[Path, _Open] = {}
        self._known = _read_marks(marks)

    def read(self) -> list[LogPart]:
        """See `ReplicaLogs`."""
        self._find()
        return [part for path in list(self._open) if (part := self._next(path)) is not None]

    def taken(self, parts: list[LogPart]) -> None:
        """See `ReplicaLogs`."""
        for part in parts:
            for found in self._open.values():
                if part.id.startswith(f"{found.inode}-"):
                    found.offset = part.end
        marks = {str(found.inode): found.offset for found in self._open.values()}
        new = self._marks.with_suffix(".new")
        new.write_text(json.dumps(marks))
        new.replace(self._marks)

    def close(self) -> None:
        """See `ReplicaLogs`."""
        for found in self._open.values():
            found.file.close()
        self._open.clear()

    def _find(self) -> None:
        for path in self._directory.glob("*.log"):
            if path in self._open:
                continue
            with suppress(OSError):
                file = path.open("rb")
                inode = os.fstat(file.fileno()).st_ino
                self._open[path] = _Open(_key(path), file, inode, self._known.pop(str(inode), 0))

    def _next(self, path: Path) -> LogPart | None:
        """What comes next in a file; None where nothing does."""
        found = self._open[path]
        size = os.fstat(found.file.fileno()).st_size
        found.file.seek(found.offset)
        taken = _whole_lines(found.file.read(CHUNK))
        if not taken:
            self._leave_or_shorten(path, found, size)
            return None
        lines = tuple(line[:LONGEST_LINE] for line in taken.decode(errors="replace").splitlines())
        return LogPart(found.key, f"{found.inode}-{found.offset}", found.offset + len(taken), lines)

    def _leave_or_shorten(self, path: Path, found: _Open, size: int) -> None:
        try:
            gone = path.stat().st_ino != found.inode
        except OSError:
            gone = True
        if gone:
            found.file.close()
            del self._open[path]
        elif size > LARGEST_FILE and found.offset == size:
            os.truncate(path, 0)  # servers append, so they go on at the new end
            found.offset = 0


def _whole_lines(chunk: bytes) -> bytes:
    if len(chunk) == CHUNK and b"\n" not in chunk:
        return chunk
    return chunk[: chunk.rfind(b"\n") + 1]


def _key(path: Path) -> ReplicaKey:
    """The replica whose id is the file's name: DNS labels have no dots."""
    namespace, name, variant, revision, index = path.stem.split(".")
    return ReplicaKey(ServingName(namespace, name), variant, revision, int(index))


def _read_marks(path: Path) -> dict[str, int]:
    try:
        return {str(inode): int(offset) for inode, offset in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}
