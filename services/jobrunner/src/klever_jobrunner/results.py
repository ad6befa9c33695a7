"""What conversions have made, kept so that the same request is answered without work."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from kleverproto.conversions import ConversionRecord

RECORD = "record.json"
RESULT = "result"


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

    def find(self, key: str) -> KeptResult | None:
        """The result, if it is here and whole."""
        entry = self._directory / key
        try:
            record = ConversionRecord.model_validate(json.loads((entry / RECORD).read_text()))
        except (OSError, ValueError):
            return None
        os.utime(entry)
        return KeptResult(entry / RESULT, record)

    def keep(self, key: str, result: Path, record: ConversionRecord) -> KeptResult:
        """Take a result over from a directory on the same file system. Raises OSError."""
        entry = self._directory / key
        shutil.rmtree(entry, ignore_errors=True)
        entry.mkdir(parents=True)
        result.replace(entry / RESULT)
        (entry / RECORD).write_text(record.model_dump_json())  # comes last: an entry without it is none
        self._make_room(entry)
        return KeptResult(entry / RESULT, record)

    def _make_room(self, newest: Path) -> None:
        entries = sorted(self._directory.iterdir(), key=lambda entry: entry.stat().st_mtime)
        sizes = {entry: sum(path.stat().st_size for path in entry.rglob("*") if path.is_file()) for entry in entries}
        total = sum(sizes.values())
        for entry in entries:
            if total <= self._limit or entry == newest:
                continue
            shutil.rmtree(entry, ignore_errors=True)
            total -= sizes[entry]
