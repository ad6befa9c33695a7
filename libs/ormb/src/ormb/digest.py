"""Content addresses, computed while bytes pass by."""

import hashlib
from pathlib import Path
from typing import Protocol

CHUNK = 256 * 1024
"""Bytes read, hashed and sent at a time; a transfer holds no more than a few of these."""


class Hasher(Protocol):
    """A hash function at work."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""
        ...

    def hexdigest(self) -> str:
        """The hash of all bytes so far."""
        ...


def digest_bytes(data: bytes) -> str:
    """The sha256 digest of bytes, as OCI writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_file(path: Path) -> str:
    """The sha256 digest of a file, read in chunks. Raises OSError."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return f"sha256:{hasher.hexdigest()}"


def hasher_for(digest: str) -> Hasher:
    """The hash function that a digest was made with."""
    return hashlib.new(digest.partition(":")[0])


def hexadecimal(digest: str) -> str:
    """The digest without its algorithm."""
    return digest.partition(":")[2]
