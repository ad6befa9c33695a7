"""Uploads on the local disk: a growing file each, hashed while it is written."""

import asyncio
import hashlib
import re
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from klever_registry.domain.names import algorithm
from klever_registry.errors import ChunkOutOfOrderError, DigestInvalidError, UploadUnknownError

from .layout import Layout

BATCH = 1024 * 1024
"""Bytes that are gathered before a thread writes and hashes them."""
HASH = "sha256"
"""Computed while bytes come; a digest of another kind is computed from the file at the end."""

_ID = re.compile(r"[0-9a-f-]{36}")


@dataclass
class _Session:
    """What this process remembers of an upload. After a restart it is empty, and the file is read once more."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    hasher: "hashlib._Hash" = field(default_factory=lambda: hashlib.new(HASH))
    hashed: int = 0

    def write(self, file: BinaryIO, pieces: Sequence[bytes]) -> None:
        file.writelines(pieces)
        for piece in pieces:
            self.hasher.update(piece)
            self.hashed += len(piece)

    def digest(self, path: Path, wanted: str) -> str:
        if wanted == HASH and self.hashed == path.stat().st_size:
            return f"{HASH}:{self.hasher.hexdigest()}"
        with path.open("rb") as file:
            return f"{wanted}:{hashlib.file_digest(file, wanted).hexdigest()}"


class LocalUploads:
    """See `Uploads`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._sessions: dict[str, _Session] = {}

    async def begin(self, repository: str) -> str:
        """See `Uploads`."""
        upload = str(uuid.uuid4())
        await asyncio.to_thread(self._create, repository, upload)
        self._sessions[upload] = _Session()
        return upload

    async def offset(self, repository: str, upload: str) -> int:
        """See `Uploads`."""
        return await asyncio.to_thread(_size, self._path(repository, upload))

    async def append(
        self, repository: str, upload: str, chunks: AsyncIterator[bytes], *, start: int | None = None
    ) -> int:
        """See `Uploads`."""
        path = self._path(repository, upload)
        await asyncio.to_thread(_size, path)
        session = self._session(upload)
        async with session.lock:
            file, offset = await asyncio.to_thread(_open, path)
            try:
                if start is not None and start != offset:
                    raise ChunkOutOfOrderError(f"the next chunk begins at {offset}, not at {start}", offset=offset)
                async for pieces in _batches(chunks):
                    await asyncio.to_thread(session.write, file, pieces)
            finally:
                await asyncio.to_thread(file.close)
            return await asyncio.to_thread(_size, path)

    async def commit(self, repository: str, upload: str, digest: str) -> None:
        """See `Uploads`."""
        path = self._path(repository, upload)
        await asyncio.to_thread(_size, path)
        session = self._session(upload)
        async with session.lock:
            try:
                await asyncio.to_thread(self._verify, session, path, digest)
                await asyncio.to_thread(self._layout.adopt, repository, digest, path)
            finally:
                await asyncio.to_thread(path.unlink, missing_ok=True)
                self._sessions.pop(upload, None)

    async def cancel(self, repository: str, upload: str) -> None:
        """See `Uploads`."""
        path = self._path(repository, upload)
        await asyncio.to_thread(_size, path)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        self._sessions.pop(upload, None)

    async def purge(self, older_than: timedelta) -> int:
        """See `Uploads`."""
        stale = await asyncio.to_thread(self._layout.stale_uploads, older_than)
        for path in stale:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            self._sessions.pop(path.name, None)
        return len(stale)

    def _session(self, upload: str) -> _Session:
        return self._sessions.setdefault(upload, _Session())

    def _path(self, repository: str, upload: str) -> Path:
        if not _ID.fullmatch(upload):
            raise _unknown(upload)
        return self._layout.uploads(repository) / upload

    def _create(self, repository: str, upload: str) -> None:
        self._layout.prepare(repository)
        self._path(repository, upload).touch(exist_ok=False)

    @staticmethod
    def _verify(session: _Session, path: Path, digest: str) -> None:
        found = session.digest(path, algorithm(digest))
        if found != digest:
            raise DigestInvalidError(
                f"the bytes that came are {found}, not {digest}: send the blob again",
                detail={"expected": digest, "actual": found},
            )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise _unknown(path.name) from error


def _open(path: Path) -> tuple[BinaryIO, int]:
    """Open an upload that exists; another request may have ended it meanwhile."""
    try:
        file = path.open("r+b")
    except FileNotFoundError as error:
        raise _unknown(path.name) from error
    return file, file.seek(0, 2)


def _unknown(upload: str) -> UploadUnknownError:
    return UploadUnknownError(f"there is no upload {upload}: begin a new one", detail={"upload": upload})


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Gather chunks, so that a thread is visited once per batch and not once per network packet."""
    batch: list[bytes] = []
    size = 0
    async for chunk in chunks:
        batch.append(chunk)
        size += len(chunk)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
