"""Blob uploads of the OCI distribution API 1.1: mounted, whole, or in pieces that can be taken up again."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import aiohttp

from modelformats.threads import in_thread
from ormb.digest import CHUNK
from ormb.errors import NotFoundError, RegistryError
from ormb.packed import Content
from ormb.ports import Progress
from ormb.reference import Reference

from .sessions import UploadSession, UploadSessions

if TYPE_CHECKING:
    from .http import HttpRegistry

CHUNK_BYTES = 32 * 1024 * 1024
MIN_LENGTH = "OCI-Chunk-Min-Length"
CREATED = 201
NO_CHUNKS = frozenset({400, 405, 411, 413, 415, 416, 501})
"""What registries answer that do not take pieces, or lost count of them."""
OCTETS = {"Content-Type": "application/octet-stream"}


class Uploads:
    """Sends blobs.

    Args:
        http: sends requests.
        sessions: remembers uploads in the middle.
        chunk_bytes: size of a piece; smaller blobs are sent whole.
    """

    def __init__(self, http: "HttpRegistry", sessions: UploadSessions, *, chunk_bytes: int) -> None:
        self._http = http
        self._sessions = sessions
        self._chunk_bytes = chunk_bytes
        self._whole_only: set[str] = set()

    async def upload(
        self, reference: Reference, content: Content, progress: Progress, *, mount_from: str | None
    ) -> None:
        """Send a blob, again after errors that may pass. Raises as `ports.Registry.put_blob`."""

        async def attempt() -> None:
            sent = _Sent(progress)
            try:
                await self._attempt(reference, content, sent, mount_from)
            except BaseException:
                sent.undo()
                raise

        await self._http.retried(attempt)

    async def mount(self, reference: Reference, digest: str, source: str) -> bool:
        """Have a blob taken from another repository; whether it was. Raises as `upload`."""

        async def attempt() -> UploadSession | None:
            return await self._begin(reference, digest, source)

        opened = await self._http.retried(attempt)
        if opened is not None:
            with suppress(RegistryError, NotFoundError):  # it times out there
                async with self._http.request("DELETE", opened.location, reference, push=True):
                    return False
        return opened is None

    async def _attempt(self, reference: Reference, content: Content, sent: "_Sent", mount_from: str | None) -> None:
        size, digest = content.descriptor.size, content.descriptor.digest
        source = content.source
        if size <= self._chunk_bytes or isinstance(source, bytes) or reference.host in self._whole_only:
            begun = await self._begin(reference, digest, mount_from)
            if begun is None:
                sent.add(size)
            else:
                await self._whole(reference, content, begun.location, sent)
            return
        session = await self._resumed(reference, digest) or await self._begin(reference, digest, mount_from)
        if session is None:
            sent.add(size)
            return
        await self._in_pieces(reference, content, source, session, sent)

    async def _begin(self, reference: Reference, digest: str, mount_from: str | None) -> UploadSession | None:
        """Open an upload; None where the registry has taken the blob from another repository."""
        start = self._http.url(reference, "blobs/uploads/")
        params = {"mount": digest, "from": mount_from} if mount_from else {}
        async with self._http.request("POST", start, reference, push=True, params=params) as response:
            if response.status == CREATED:
                return None
            self._chunk_bytes = max(self._chunk_bytes, int(response.headers.get(MIN_LENGTH) or 0))
            return UploadSession(_location(start, response), 0)

    async def _resumed(self, reference: Reference, digest: str) -> UploadSession | None:
        """The upload that another process began, as far as the registry still has it."""
        known = self._sessions.find(reference, digest)
        if known is None:
            return None
        try:
            async with self._http.request("GET", known.location, reference, push=True) as response:
                last = response.headers.get("Range", "").rpartition("-")[2]
                return UploadSession(_location(known.location, response), int(last) + 1 if last else 0)
        except (RegistryError, NotFoundError, ValueError):
            self._sessions.forget(reference, digest)
            return None

    async def _in_pieces(
        self, reference: Reference, content: Content, source: Path, session: UploadSession, sent: "_Sent"
    ) -> None:
        digest, size = content.descriptor.digest, content.descriptor.size
        sent.add(session.offset)
        try:
            while session.offset < size:
                session = await self._piece(reference, source, session, min(size - session.offset, self._chunk_bytes))
                self._sessions.remember(reference, digest, session)
                sent.add(session.offset - sent.count)
        except (RegistryError, NotFoundError) as error:
            self._sessions.forget(reference, digest)
            if isinstance(error, RegistryError) and error.status not in NO_CHUNKS:
                raise
            self._whole_only.add(reference.host)
            sent.undo()
            await self._attempt(reference, content, sent, None)
            return
        await self._finish(reference, session.location, digest)
        self._sessions.forget(reference, digest)

    async def _piece(self, reference: Reference, source: Path, session: UploadSession, size: int) -> UploadSession:
        begin, end = session.offset, session.offset + size
        headers = OCTETS | {"Content-Length": str(size), "Content-Range": f"{begin}-{end - 1}"}
        body = _chunks(source, begin, size, None)
        async with self._http.request(
            "PATCH", session.location, reference, headers=headers, data=body, push=True
        ) as response:
            return UploadSession(_location(session.location, response), end)

    async def _whole(self, reference: Reference, content: Content, location: str, sent: "_Sent") -> None:
        size = content.descriptor.size
        headers = OCTETS | {"Content-Length": str(size)}
        body = _chunks(content.source, 0, size, sent)
        url = _with_digest(location, content.descriptor.digest)
        async with self._http.request("PUT", url, reference, headers=headers, data=body, push=True):
            return

    async def _finish(self, reference: Reference, location: str, digest: str) -> None:
        headers = OCTETS | {"Content-Length": "0"}
        async with self._http.request("PUT", _with_digest(location, digest), reference, headers=headers, push=True):
            return


class _Sent:
    """Counts what an attempt has sent, so that a failed one can be taken back."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.count = 0

    def add(self, count: int) -> None:
        self.count += count
        self._progress.advanced(count)

    def undo(self) -> None:
        self._progress.advanced(-self.count)
        self.count = 0


def _location(base: str, response: aiohttp.ClientResponse) -> str:
    return urljoin(base, response.headers.get("Location", base))


def _with_digest(location: str, digest: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


async def _chunks(source: Path | bytes, begin: int, size: int, sent: _Sent | None) -> AsyncIterator[bytes]:
    """So many bytes of the source, in chunks."""
    if isinstance(source, bytes):
        yield source
        if sent:
            sent.add(len(source))
        return
    with source.open("rb") as file:
        file.seek(begin)
        left = size
        while left and (chunk := await in_thread(file.read, min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
            if sent:
                sent.add(len(chunk))
