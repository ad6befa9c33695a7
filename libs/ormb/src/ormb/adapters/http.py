"""A registry over HTTP: the OCI distribution API 1.1, streamed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin

import aiohttp

from ormb import mediatypes
from ormb.digest import CHUNK
from ormb.errors import NotFoundError, RegistryError, RegistryUnavailableError
from ormb.packed import Content
from ormb.ports import Progress
from ormb.reference import Reference

from .challenge import Authorizer

ResultT = TypeVar("ResultT")

MANIFEST_TYPES = f"{mediatypes.OCI_MANIFEST}, {mediatypes.OCI_INDEX}, {mediatypes.DOCKER_MANIFEST}"
MANIFEST_LIMIT = 4 * 1024 * 1024
TRIES = 5
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


class HttpRegistry:
    """See `ormb.ports.Registry`.

    Args:
        session: owns the connections.
        authorizer: answers challenges.
        plain_http: use http for every host; hosts on this machine always do.
        first_pause: seconds before the second try of a request that failed for now; doubles each time.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        authorizer: Authorizer,
        *,
        plain_http: bool = False,
        first_pause: float = 0.2,
    ) -> None:
        self._session = session
        self._authorizer = authorizer
        self._plain_http = plain_http
        self._first_pause = first_pause

    async def get_manifest(self, reference: Reference) -> tuple[bytes, str]:
        """See `Registry`."""

        async def get() -> tuple[bytes, str]:
            url = self._url(reference, f"manifests/{reference.name}")
            async with self._request("GET", url, reference, headers={"Accept": MANIFEST_TYPES}) as response:
                body = await response.content.read(MANIFEST_LIMIT + 1)
                while len(body) <= MANIFEST_LIMIT and (more := await response.content.read(CHUNK)):
                    body += more
                if len(body) > MANIFEST_LIMIT:
                    raise RegistryError(f"the manifest of {reference} is larger than {MANIFEST_LIMIT} bytes")
                return body, response.content_type

        return await self._retried(get)

    async def put_manifest(self, reference: Reference, manifest: bytes, media_type: str) -> None:
        """See `Registry`."""

        async def put() -> None:
            url = self._url(reference, f"manifests/{reference.name}")
            headers = {"Content-Type": media_type}
            async with self._request("PUT", url, reference, headers=headers, data=manifest, push=True):
                return

        await self._retried(put)

    async def has_blob(self, reference: Reference, digest: str) -> bool:
        """See `Registry`."""

        async def head() -> bool:
            url = self._url(reference, f"blobs/{digest}")
            try:
                async with self._request("HEAD", url, reference, push=True):
                    return True
            except NotFoundError:
                return False

        return await self._retried(head)

    async def put_blob(self, reference: Reference, content: Content, progress: Progress) -> None:
        """See `Registry`."""

        async def put() -> None:
            sent = _Sent(progress)
            try:
                await self._upload(reference, content, sent)
            except BaseException:
                sent.undo()
                raise

        await self._retried(put)

    async def get_blob(self, reference: Reference, digest: str) -> AsyncIterator[bytes]:
        """See `Registry`. A connection lost in the middle raises; the caller begins again."""
        async with self._request("GET", self._url(reference, f"blobs/{digest}"), reference) as response:
            async for chunk in response.content.iter_chunked(CHUNK):
                yield chunk

    async def _upload(self, reference: Reference, content: Content, sent: "_Sent") -> None:
        start = self._url(reference, "blobs/uploads/")
        async with self._request("POST", start, reference, push=True) as response:
            location = urljoin(start, response.headers["Location"])
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(content.descriptor.size),
        }
        separator = "&" if "?" in location else "?"
        url = f"{location}{separator}digest={content.descriptor.digest}"
        body = _chunks(content.source, sent)
        async with self._request("PUT", url, reference, headers=headers, data=body, push=True):
            return

    @asynccontextmanager
    async def _request(
        self, method: str, url: str, reference: Reference, *, push: bool = False, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request with what authorization is known; answer one challenge where the body can be sent again."""
        headers = {**options.pop("headers", {}), **self._authorizer.headers(reference, push=push)}
        try:
            async with self._session.request(method, url, headers=headers, **options) as response:
                if response.status == 401:  # noqa: PLR2004 - HTTP
                    await self._authorizer.learn(reference, response, push=push)
                    raise _ChallengedError(f"{reference.host} asks for authorization")
                await _raise_for(response, reference)
                yield response
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise RegistryUnavailableError(
                f"the registry at {reference.host} does not answer ({str(error) or type(error).__name__}): "
                "is it running? `klever up` starts one on this machine"
            ) from error

    async def _retried(self, attempt: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Try again after errors that may pass, and once after each challenge."""
        for count in range(TRIES):
            try:
                return await attempt()
            except _ChallengedError:
                continue
            except (RegistryUnavailableError, _BusyError) as error:
                if count == TRIES - 1 or _is_refused(error):
                    raise
                await asyncio.sleep(self._first_pause * 2**count)
        raise RegistryError("the registry asks for authorization again and again")

    def _url(self, reference: Reference, path: str) -> str:
        scheme = "http" if self._plain_http or reference.is_loopback else "https"
        return f"{scheme}://{reference.host}/v2/{reference.repository}/{path}"


class _ChallengedError(RegistryError):
    """The same request may succeed now."""


class _BusyError(RegistryError):
    """The registry is there but cannot answer now."""

    transient = True


class _Sent:
    """Counts what an attempt has sent, so that a failed one can be taken back."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._count = 0

    def add(self, count: int) -> None:
        self._count += count
        self._progress.advanced(count)

    def undo(self) -> None:
        self._progress.advanced(-self._count)


async def _chunks(source: Path | bytes, sent: _Sent) -> AsyncIterator[bytes]:
    if isinstance(source, bytes):
        sent.add(len(source))
        yield source
        return
    file = await asyncio.to_thread(source.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
            sent.add(len(chunk))
    finally:
        file.close()


async def _raise_for(response: aiohttp.ClientResponse, reference: Reference) -> None:
    if response.ok:
        return
    detail = _detail(await response.content.read(64 * 1024))
    if response.status == 404:  # noqa: PLR2004 - HTTP
        raise NotFoundError(f"{reference} is not in the registry: check the name with `ormb inspect`, or push it first")
    if response.status in TRANSIENT_STATUSES:
        raise _BusyError(f"the registry at {reference.host} answered {response.status}{detail}: try again later")
    raise RegistryError(f"the registry at {reference.host} refused {reference}: {response.status}{detail}")


def _detail(body: bytes) -> str:
    """What the registry says, if it says it as the specification wants."""
    try:
        errors: Iterable[dict[str, str]] = json.loads(body)["errors"]
        return "".join(f" {error.get('code', '')}: {error.get('message', '')}" for error in errors)
    except (ValueError, KeyError, TypeError):
        return ""


def _is_refused(error: Exception) -> bool:
    """Nobody listens: on this machine that does not change within a second, so say it at once."""
    return isinstance(error.__cause__, aiohttp.ClientConnectorError)
