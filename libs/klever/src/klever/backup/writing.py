"""Writes a backup: an uncompressed tar archive with a digest of each member."""

import hashlib
import os
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Protocol, cast

from kleverkit.durable import sync_directory
from ormb.space import refusal

from .errors import BackupError
from .members import DIGESTS, SIZES, Size, require_size

OWNER_ONLY = 0o600


class Archive:
    """A backup that is being written.

    Args:
        file: receives the archive.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)
        self._sizes: dict[str, Size] = {}

    def add(self, name: str, content: bytes) -> None:
        """Add a small member."""
        self.add_file(name, BytesIO(content), len(content))

    def add_file(self, name: str, file: "Readable", size: int) -> None:
        """Add a member from a file, in pieces.

        Raises:
            BackupError: the file is shorter or cannot be read, or the member could not be restored.
        """
        require_size(name, size)
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, OWNER_ONLY
        hashed = _Hashed(name, file)
        self._tar.addfile(member, cast("IO[bytes]", hashed))
        cast("Any", self._tar).members.clear()  # otherwise all members stay in memory
        self._sizes[name] = Size(size=size, sha256=hashed.hexdigest())

    def has(self, name: str) -> bool:
        """Return whether a member was added."""
        return name in self._sizes

    def digest(self, name: str) -> str:
        """Return the SHA-256 digest of a member, hexadecimal."""
        return self._sizes[name].sha256

    def finish(self) -> None:
        """Add the list of digests, and the end of the archive."""
        self.add(DIGESTS, SIZES.dump_json(self._sizes, by_alias=True))
        self._tar.close()


class Readable(Protocol):
    """A file that is read in pieces."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most this number; empty at the end."""
        ...


class _Hashed:
    def __init__(self, name: str, file: Readable) -> None:
        self._name = name
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        try:
            piece = self._file.read(size)
        except OSError as error:
            raise BackupError(f"{self._name} cannot be read: {error.strerror or error}") from error
        if len(piece) < size:
            raise BackupError(f"{self._name} became shorter while it was read: create the backup again")
        self._hash.update(piece)
        return piece

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def new_archive(path: Path) -> Iterator[Archive]:
    """Yield an archive, which gets its name when it is complete. Only its owner can read it.

    Raises:
        BackupError: the file exists, or cannot be written.
    """
    if path.exists():
        raise BackupError(f"{path} exists: choose another name, or remove it")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "xb", opener=_private) as file:
            archive = Archive(file)
            yield archive
            archive.finish()
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {refusal(error) or error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, OWNER_ONLY)
