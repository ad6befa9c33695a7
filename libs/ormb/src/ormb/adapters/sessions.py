"""Interrupted uploads, stored on disk so that another process can resume them."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ormb.digest import digest_bytes, hexadecimal
from ormb.reference import Reference


@dataclass(frozen=True)
class UploadSession:
    """The state of an upload.

    Attributes:
        location: the last URL that the registry returned; it may be valid for one request only.
        offset: number of bytes that the registry has received.
    """

    location: str
    offset: int


class UploadSessions:
    """Stores one file for each blob and repository.

    Args:
        directory: created when the first upload is stored.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, reference: Reference, digest: str) -> UploadSession | None:
        """Return the session of a blob; None if it does not exist or cannot be read."""
        try:
            document = json.loads(self._path(reference, digest).read_text())
            return UploadSession(str(document["location"]), int(document["offset"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def remember(self, reference: Reference, digest: str, session: UploadSession) -> None:
        """Store the state of an upload. Failure is not an error: the upload then restarts from the beginning."""
        path = self._path(reference, digest)
        new = path.with_suffix(".new")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(vars(session)))
            new.replace(path)

    def forget(self, reference: Reference, digest: str) -> None:
        """Delete the state of an upload."""
        with suppress(OSError):
            self._path(reference, digest).unlink(missing_ok=True)

    def _path(self, reference: Reference, digest: str) -> Path:
        name = digest_bytes(f"{reference.host}/{reference.repository}@{digest}".encode())
        return self._directory / f"{hexadecimal(name)}.json"
