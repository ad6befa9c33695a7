"""Digests of content, computed in chunks."""

import hashlib
from pathlib import Path
from typing import Protocol

CHUNK = 256 * 1024
"""Number of bytes to read, hash and send at a time; a transfer holds only a few chunks in memory."""


class Hasher(Protocol):
    """An incremental hash, as in `hashlib`."""

    def update(self, data: bytes, /) -> None:
        """Add bytes to the hash."""
        ...

    def hexdigest(self) -> str:
        """Return the hash of all bytes so far, in hexadecimal."""
        ...


def digest_bytes(data: bytes) -> str:
    """Return the sha256 digest of bytes in OCI notation."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_file(path: Path) -> str:
    """Return the sha256 digest of a file, which is read in chunks. Raises OSError."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return f"sha256:{hasher.hexdigest()}"


def hasher_for(digest: str) -> Hasher:
    """Return an incremental hash of the algorithm of a digest."""
    return hashlib.new(digest.partition(":")[0])


def matches(content: bytes, digest: str) -> bool:
    """Return whether content has a digest, by the algorithm of the digest."""
    hasher = hasher_for(digest)
    hasher.update(content)
    return hasher.hexdigest() == hexadecimal(digest)


def hexadecimal(digest: str) -> str:
    """Return the digest without its algorithm."""
    return digest.partition(":")[2]
