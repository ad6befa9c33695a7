"""Uploads in the middle, kept on disk so that another process can resume them."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ormb.digest import digest_bytes, hexadecimal
from ormb.reference import Reference


@dataclass(frozen=True)
class UploadSession:
    """Where the next piece goes.

    Attributes:
        location: URL that the registry gave last; it may be good for one request only.
        offset: bytes that the registry has.
    """

    location: str
    offset: int


class UploadSessions:
    """A file for each blob and repository.

    Args:
        directory: created when the first upload is remembered.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, reference: Reference, digest: str) -> UploadSession | None:
        """The session of a blob, if there is one that can be read."""
        try:
            document = json.loads(self._path(reference, digest).read_text())
            return UploadSession(str(document["location"]), int(document["offset"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def remember(self, reference: Reference, digest: str, session: UploadSession) -> None:
        """Keep where an upload is; not being able to is no error, the upload then begins anew another time."""
        path = self._path(reference, digest)
        new = path.with_suffix(".new")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(vars(session)))
            new.replace(path)

    def forget(self, reference: Reference, digest: str) -> None:
        """Drop what is known of an upload."""
        with suppress(OSError):
            self._path(reference, digest).unlink(missing_ok=True)

    def _path(self, reference: Reference, digest: str) -> Path:
        name = digest_bytes(f"{reference.host}/{reference.repository}@{digest}".encode())
        return self._directory / f"{hexadecimal(name)}.json"
