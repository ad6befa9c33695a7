"""Uploads on the local disk: one file each, hashed while it is written."""

import asyncio
import hashlib
import os
import re
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path

from klever_registry.domain.names import algorithm
from klever_registry.errors import ChunkOutOfOrderError, DigestInvalidError, UploadUnknownError
from kleverproto.envelope import utc_now

from .layout import Layout, is_older
from .locks import lock_file, try_lock_file

BATCH = 1024 * 1024
"""Number of bytes that are written and hashed in one call in a thread."""
HASH = "sha256"
"""Algorithm for hashing received bytes. Digests with another one are computed from the complete file."""

PATIENCE_SECONDS = 10.0
"""Longest wait for another request on the same upload, for example one with a broken connection."""

ANOTHER_SENDS = "another request is sending to this upload: request its offset after that has finished"

_ID = re.compile(r"[0-9a-f-]{36}")


@dataclass
class _Session:
    """State of an upload in this process. It is empty after a restart, and the file is then read again."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    hasher: "hashlib._Hash" = field(default_factory=lambda: hashlib.new(HASH))
    hashed: int = 0

    def write(self, file: FileIO, pieces: Sequence[bytes]) -> None:
        """Append bytes. If the disk stores only a part of them, the hash is that of the part."""
        for piece in pieces:
            remaining = memoryview(piece)
            while remaining:
                written = file.write(remaining)
                self.hasher.update(remaining[:written])
                self.hashed += written
                remaining = remaining[written:]

    def digest(self, path: Path, name: str) -> str:
        if name == HASH and self.hashed == path.stat().st_size:
            return f"{HASH}:{self.hasher.hexdigest()}"
        with path.open("rb") as file:
            return f"{name}:{hashlib.file_digest(file, name).hexdigest()}"


class LocalUploads:
    """See `Uploads`.

    Args:
        layout: the layout of the data directory.
        clock: returns the current time, for the age of uploads.
        patience: longest wait in seconds for another request on the same upload.
    """

    def __init__(
        self, layout: Layout, *, clock: Callable[[], datetime] = utc_now, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._layout, self._disk = layout, layout.disk
        self._clock, self._patience = clock, patience
        self._sessions: dict[str, _Session] = {}

    async def begin(self, repository: str) -> str:
        """See `Uploads`."""
        upload = str(uuid.uuid4())
        await self._disk.write(self._create, repository, upload)
        self._sessions[upload] = _Session()
        return upload

    async def offset(self, repository: str, upload: str) -> int:
        """See `Uploads`."""
        return await self._disk.read(_size, self._path(repository, upload))

    async def append(
        self, repository: str, upload: str, chunks: AsyncIterator[bytes], *, start: int | None = None
    ) -> int:
        """See `Uploads`."""
        path = self._path(repository, upload)
        async with self._turn(path, start) as session:
            return await self._append(session, path, chunks)

    async def commit(
        self,
        repository: str,
        upload: str,
        digest: str,
        last: AsyncIterator[bytes] | None = None,
        *,
        start: int | None = None,
    ) -> None:
        """See `Uploads`."""
        path = self._path(repository, upload)
        async with self._turn(path, start) as session:
            if last is not None:
                await self._append(session, path, last)
            try:
                await self._disk.read(self._verify, session, path, digest)
            except DigestInvalidError:
                await self._discard(path)
                raise
            await self._disk.write(self._layout.adopt, repository, digest, path)
            self._sessions.pop(upload, None)

    async def cancel(self, repository: str, upload: str) -> None:
        """See `Uploads`. A concurrent request on the upload fails with UploadUnknownError."""
        path = self._path(repository, upload)
        await self._disk.read(_size, path)
        await self._discard(path)

    async def purge(self, older_than: timedelta) -> int:
        """See `Uploads`."""
        before = self._clock() - older_than
        stale = await self._disk.read(self._layout.stale_uploads, before)
        return sum([await self._purge(path, before) for path in stale])

    async def _purge(self, path: Path, before: datetime) -> bool:
        session = self._sessions.get(path.name, _Session())
        if session.lock.locked():  # a client is sending, even if its last byte is old
            return False
        async with session.lock:
            is_stale = await self._disk.write(_remove_stale, path, before)
        if is_stale:
            self._sessions.pop(path.name, None)
        return is_stale

    @asynccontextmanager
    async def _turn(self, path: Path, start: int | None) -> AsyncIterator[_Session]:
        """Allow one request at a time, and only if the upload is at the offset that the client expects.

        Raises:
            UploadUnknownError: the upload does not exist, or another request has finished it meanwhile.
            ChunkOutOfOrderError: another request is sending or has sent to the upload.
        """
        size = await self._disk.read(_size, path)
        expected = size if start is None else start
        session = self._sessions.setdefault(path.name, _Session())
        try:
            async with asyncio.timeout(self._patience):
                await session.lock.acquire()
        except TimeoutError as error:
            raise ChunkOutOfOrderError(ANOTHER_SENDS, offset=await self._disk.read(_size, path)) from error
        try:
            async with self._alone(path):
                offset = await self._disk.read(_size, path)
                if offset != expected:
                    raise ChunkOutOfOrderError(f"the next chunk starts at {offset}, not at {expected}", offset=offset)
                yield session
        finally:
            session.lock.release()

    @asynccontextmanager
    async def _alone(self, path: Path) -> AsyncIterator[None]:
        """Lock the file of the upload against other replicas. Raises as `_turn`."""
        file = await self._disk.read(_open, path)
        try:
            async with asyncio.timeout(self._patience):
                await lock_file(file.fileno())
        except TimeoutError as error:
            file.close()
            raise ChunkOutOfOrderError(ANOTHER_SENDS, offset=await self._disk.read(_size, path)) from error
        try:
            yield
        finally:
            file.close()

    async def _append(self, session: _Session, path: Path, chunks: AsyncIterator[bytes]) -> int:
        file = await self._disk.write(_open, path)
        try:
            async for pieces in _batches(chunks):
                await self._disk.write(session.write, file, pieces)
        finally:
            file.close()  # unbuffered, so that nothing is left to write
        return await self._disk.read(_size, path)

    async def _discard(self, path: Path) -> None:
        await self._disk.write(path.unlink, missing_ok=True)
        self._sessions.pop(path.name, None)

    def _path(self, repository: str, upload: str) -> Path:
        if not _ID.fullmatch(upload):
            raise _unknown(upload)
        return self._layout.uploads(repository) / upload

    def _create(self, repository: str, upload: str) -> None:
        self._layout.prepare(repository)
        self._path(repository, upload).touch(exist_ok=False)

    @staticmethod
    def _verify(session: _Session, path: Path, digest: str) -> None:
        actual = session.digest(path, algorithm(digest))
        if actual != digest:
            raise DigestInvalidError(
                f"the received bytes have the digest {actual}, not {digest}: send the blob again",
                detail={"expected": digest, "actual": actual},
            )


def _remove_stale(path: Path, before: datetime) -> bool:
    """Remove an upload without new bytes since then, unless a replica is receiving it."""
    try:
        with path.open("r+b") as file:
            if is_stale := try_lock_file(file.fileno()) and is_older(path, before):
                path.unlink(missing_ok=True)
            return is_stale
    except FileNotFoundError:
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise _unknown(path.name) from error


def _open(path: Path) -> FileIO:
    """Open an existing upload at its end."""
    try:
        file = FileIO(path, "r+")
    except FileNotFoundError as error:
        raise _unknown(path.name) from error
    file.seek(0, os.SEEK_END)
    return file


def _unknown(upload: str) -> UploadUnknownError:
    return UploadUnknownError(f"there is no upload {upload}: begin a new one", detail={"upload": upload})


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Combine chunks into batches, so that a thread is called once per batch and not once per network packet."""
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
