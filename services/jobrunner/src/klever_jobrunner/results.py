"""What conversions have made, kept so that the same request is answered without work."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from kleverkit.durable import sync_directory, sync_file
from kleverproto.conversions import ConversionRecord

RECORD = "record.json"
RESULT = "result"
UNFINISHED = ".unfinished-"
"""Begins the name of a result that is being taken over, or removed."""


@dataclass(frozen=True)
class KeptResult:
    """A result on disk."""

    directory: Path
    """A model directory: ormbfile.yaml and model/."""
    record: ConversionRecord


class Results:
    """Results by what they depend on; the ones that were not used for longest make room for new ones.

    Args:
        directory: made when the first result is kept.
        limit: bytes to keep; the newest result is kept whatever its size.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        self._limit = limit
        self._keeping = Lock()

    def find(self, key: str) -> KeptResult | None:
        """The result, if it is here and whole."""
        entry = self._directory / key
        try:
            record = ConversionRecord.model_validate(json.loads((entry / RECORD).read_text()))
            os.utime(entry)
        except (OSError, ValueError):
            return None
        return KeptResult(entry / RESULT, record)

    def keep(self, key: str, result: Path, record: ConversionRecord) -> KeptResult:
        """Take a result over from a directory on the same file system, whole or not at all. Raises OSError.

        One that is here already stays: another job may be pushing it.
        """
        with self._keeping:
            return self.find(key) or self._keep(key, result, record)

    def _keep(self, key: str, result: Path, record: ConversionRecord) -> KeptResult:
        entry = self._directory / key
        self._directory.mkdir(parents=True, exist_ok=True)
        unfinished = self._unfinished()
        try:
            (unfinished / RECORD).write_text(record.model_dump_json())
            result.replace(unfinished / RESULT)
            _sync(unfinished)
            self._remove(entry)
            unfinished.replace(entry)
            sync_directory(self._directory)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        self._make_room(entry)
        return KeptResult(entry / RESULT, record)

    def clean(self) -> None:
        """Remove what a killed process has left; to be called before any result is kept."""
        for path in self._directory.glob(f"{UNFINISHED}*"):
            shutil.rmtree(path, ignore_errors=True)

    def _unfinished(self) -> Path:
        return Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self._directory))

    def _remove(self, entry: Path) -> None:
        """Out of sight in one step: who looks while the files are being removed finds no result, not half of one."""
        if entry.exists():
            hidden = self._unfinished()
            entry.replace(hidden / entry.name)
            shutil.rmtree(hidden, ignore_errors=True)

    def _make_room(self, newest: Path) -> None:
        kept = (entry for entry in self._directory.iterdir() if not entry.name.startswith(UNFINISHED))
        entries = sorted(kept, key=lambda entry: entry.stat().st_mtime)
        sizes = {entry: sum(path.stat().st_size for path in entry.rglob("*") if path.is_file()) for entry in entries}
        total = sum(sizes.values())
        for entry in entries:
            if total <= self._limit or entry == newest:
                continue
            self._remove(entry)
            total -= sizes[entry]


def _sync(directory: Path) -> None:
    """Bring every file and directory below to disk, and the directory itself."""
    for path in directory.rglob("*"):
        if path.is_dir():
            sync_directory(path)
        elif path.is_file():
            sync_file(path)
    sync_directory(directory)
