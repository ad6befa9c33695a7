"""Blob uploads of the OCI distribution API 1.1: mounted, whole, or in chunks, so that interrupted uploads resume."""

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import aiohttp
from yarl import URL

from modelformats.threads import in_thread
from ormb.digest import CHUNK
from ormb.errors import NotFoundError, RegistryError, ThrottledError
from ormb.packed import Content
from ormb.ports import Progress
from ormb.reference import Reference

from .answers import BusyError, ChallengedError
from .api import RegistryApi
from .origins import exact, within
from .sessions import UploadSession, UploadSessions

CHUNK_BYTES = 32 * 1024 * 1024
MIN_LENGTH = "OCI-Chunk-Min-Length"
CREATED = 201
NO_CHUNKS = frozenset({400, 405, 411, 413, 415, 416, 501})
"""HTTP statuses of registries that do not support chunks, or have lost the offset."""
MAY_PASS = (BusyError, ChallengedError, ThrottledError)
"""Errors after which the upload still exists."""
OCTETS = {"Content-Type": "application/octet-stream"}


class Uploads:
    """Uploads blobs.

    Args:
        api: sends requests.
        sessions: remembers interrupted uploads.
        chunk_bytes: size of a chunk; smaller blobs are sent in one request.
    """

    def __init__(self, api: RegistryApi, sessions: UploadSessions, *, chunk_bytes: int) -> None:
        self._api = api
        self._sessions = sessions
        self._chunk_bytes = chunk_bytes
        self._whole_only: set[str] = set()

    async def upload(
        self, reference: Reference, content: Content, progress: Progress, *, mount_from: str | None
    ) -> None:
        """Upload a blob, with retries after temporary errors. Raises the errors of `ports.Registry.put_blob`."""

        async def attempt() -> None:
            sent = _Sent(progress)
            try:
                await self._attempt(reference, content, sent, mount_from)
            except BaseException:
                sent.undo()
                raise

        await self._api.retried(attempt)

    async def mount(self, reference: Reference, digest: str, source: str) -> bool:
        """Mount a blob from another repository. Returns whether that succeeded. Raises the errors of `upload`."""

        async def attempt() -> UploadSession | None:
            return await self._begin(reference, digest, source)

        opened = await self._api.retried(attempt)
        if opened is not None:
            with suppress(RegistryError, NotFoundError):  # it expires at the registry
                async with self._api.request("DELETE", self._url(reference, opened), reference, push=True):
                    return False
        return opened is None

    async def _attempt(self, reference: Reference, content: Content, sent: "_Sent", mount_from: str | None) -> None:
        size, digest = content.descriptor.size, content.descriptor.digest
        source = content.source
        if size <= self._chunk_bytes or isinstance(source, bytes) or reference.host in self._whole_only:
            session = await self._begin(reference, digest, mount_from)
            if session is None:
                sent.add(size)
            else:
                await self._upload_whole(reference, content, session, sent)
            return
        session = await self._resumed(reference, digest, size) or await self._begin(reference, digest, mount_from)
        if session is None:
            sent.add(size)
            return
        await self._upload_chunks(reference, content, source, session, sent)

    async def _begin(self, reference: Reference, digest: str, mount_from: str | None) -> UploadSession | None:
        """Start an upload; None if the registry mounted the blob from another repository."""
        start = self._api.url(reference, "blobs/uploads/")
        url = start.with_query({"mount": digest, "from": mount_from}) if mount_from else start
        async with self._api.request("POST", url, reference, push=True) as response:
            if response.status == CREATED:
                return None
            self._chunk_bytes = max(self._chunk_bytes, _minimum_chunk(response))
            return UploadSession(self._location(reference, start, response), 0)

    async def _resumed(self, reference: Reference, digest: str, size: int) -> UploadSession | None:
        """Return the upload that another process started, as far as the registry still has it."""
        stored = self._sessions.find(reference, digest)
        if stored is None:
            return None
        try:
            url = self._url(reference, stored)
            async with self._api.request("GET", url, reference, push=True) as response:
                last = response.headers.get("Range", "").rpartition("-")[2]
                session = UploadSession(self._location(reference, url, response), int(last) + 1 if last else 0)
                if session.offset <= size:
                    return session
        except MAY_PASS:
            raise
        except (RegistryError, NotFoundError, ValueError):
            pass  # it belongs to another registry, or has expired
        self._sessions.forget(reference, digest)
        return None

    async def _upload_chunks(
        self, reference: Reference, content: Content, source: Path, session: UploadSession, sent: "_Sent"
    ) -> None:
        digest, size = content.descriptor.digest, content.descriptor.size
        sent.add(session.offset)
        try:
            while session.offset < size:
                session = await self._upload_chunk(
                    reference, source, session, min(size - session.offset, self._chunk_bytes)
                )
                self._sessions.remember(reference, digest, session)
                sent.add(session.offset - sent.count)
        except MAY_PASS:
            raise  # the next attempt resumes
        except (RegistryError, NotFoundError) as error:
            self._sessions.forget(reference, digest)
            if isinstance(error, RegistryError) and error.status not in NO_CHUNKS:
                raise
            self._whole_only.add(reference.host)
            sent.undo()
            await self._attempt(reference, content, sent, None)
            return
        await self._finish(reference, session, digest)
        self._sessions.forget(reference, digest)

    async def _upload_chunk(
        self, reference: Reference, source: Path, session: UploadSession, size: int
    ) -> UploadSession:
        begin, end, url = session.offset, session.offset + size, self._url(reference, session)
        headers = OCTETS | {"Content-Length": str(size), "Content-Range": f"{begin}-{end - 1}"}
        with source.open("rb") as file:
            body = _chunks(file, begin, size, None)
            async with self._api.request("PATCH", url, reference, headers=headers, data=body, push=True) as response:
                return UploadSession(self._location(reference, url, response), end)

    async def _upload_whole(
        self, reference: Reference, content: Content, session: UploadSession, sent: "_Sent"
    ) -> None:
        size = content.descriptor.size
        headers = OCTETS | {"Content-Length": str(size)}
        url = _with_digest(self._url(reference, session), content.descriptor.digest)
        with _opened(content.source) as file:
            body = _chunks(file, 0, size, sent)
            async with self._api.request("PUT", url, reference, headers=headers, data=body, push=True):
                return

    async def _finish(self, reference: Reference, session: UploadSession, digest: str) -> None:
        headers, url = OCTETS | {"Content-Length": "0"}, _with_digest(self._url(reference, session), digest)
        try:
            async with self._api.request("PUT", url, reference, headers=headers, push=True):
                return
        except MAY_PASS:
            raise
        except (RegistryError, NotFoundError):
            self._sessions.forget(reference, digest)  # the next attempt restarts
            raise

    def _location(self, reference: Reference, url: URL, response: aiohttp.ClientResponse) -> str:
        """Return the URL of the next chunk. It must be on the registry, since it receives the credentials."""
        return str(within(self._api.root(reference), response.headers.get("Location", str(url)), url))

    def _url(self, reference: Reference, session: UploadSession) -> URL:
        """Return the URL of the next chunk. It is checked again, since the session may come from a file."""
        origin = self._api.root(reference)
        return within(origin, session.location, origin)


class _Sent:
    """Counts the bytes that an attempt has sent, so that a failed attempt can be subtracted from the progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.count = 0

    def add(self, count: int) -> None:
        self.count += count
        self._progress.advanced(count)

    def undo(self) -> None:
        self._progress.advanced(-self.count)
        self.count = 0


def _minimum_chunk(response: aiohttp.ClientResponse) -> int:
    length = response.headers.get(MIN_LENGTH, "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _with_digest(location: URL, digest: str) -> URL:
    return exact(f"{location}{'&' if location.raw_query_string else '?'}digest={digest}")


@contextmanager
def _opened(source: Path | bytes) -> Iterator[IO[bytes]]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        yield file


async def _chunks(file: IO[bytes], begin: int, size: int, sent: _Sent | None) -> AsyncIterator[bytes]:
    """Yield a number of bytes of a file in chunks.

    The caller closes the file: a cancelled request suspends this generator, and its resources are released only when it
    is collected.
    """
    file.seek(begin)
    left = size
    while left and (chunk := await in_thread(file.read, min(CHUNK, left))):
        left -= len(chunk)
        yield chunk
        if sent:
            sent.add(len(chunk))
