"""A registry over HTTP: the OCI distribution API 1.1, streamed."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from ormb import mediatypes
from ormb.digest import CHUNK
from ormb.errors import NotFoundError, RegistryUnavailableError
from ormb.limits import MANIFEST_LIMIT
from ormb.packed import Content
from ormb.ports import Progress
from ormb.reference import Reference

from .answers import (
    UNAUTHORIZED,
    BusyError,
    ChallengedError,
    Pages,
    content_of,
    listed_in,
    raise_for,
    raise_for_store,
)
from .challenge import Authorizer
from .origins import exact, is_same_origin, within
from .pauses import LONGEST_PAUSE
from .sessions import UploadSessions
from .transport import Body, Request, Transport
from .uploads import CHUNK_BYTES, Uploads

ResultT = TypeVar("ResultT")

MANIFEST_TYPES = (
    f"{mediatypes.OCI_MANIFEST}, {mediatypes.OCI_INDEX}, {mediatypes.DOCKER_MANIFEST}, {mediatypes.DOCKER_INDEX}"
)
PARTIAL = 206
TRIES = 5
LINK = re.compile(r"<([^<>]*+)>\s*+;([^<,]*+)")
IS_NEXT = re.compile(r'\brel="?next"?', re.IGNORECASE)


class HttpRegistry:
    """See `ormb.ports.Registry`.

    Args:
        transport: sends requests.
        authorizer: answers challenges.
        sessions: remembers uploads in the middle.
        plain_http: use http for every host; hosts on this machine always do.
        first_pause: seconds before the second try of a request that failed for now; doubles each time.
        chunk_bytes: larger blobs are sent in pieces of this size, so that an interrupted upload resumes.
    """

    def __init__(
        self,
        transport: Transport,
        authorizer: Authorizer,
        *,
        sessions: UploadSessions,
        plain_http: bool = False,
        first_pause: float = 0.2,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._transport = transport
        self._authorizer = authorizer
        self._plain_http = plain_http
        self._first_pause = first_pause
        self._uploads = Uploads(self, sessions, chunk_bytes=chunk_bytes)

    async def get_manifest(self, reference: Reference) -> tuple[bytes, str]:
        """See `Registry`."""

        async def get() -> tuple[bytes, str]:
            url = self.url(reference, f"manifests/{reference.name}")
            async with self.request("GET", url, reference, headers={"Accept": MANIFEST_TYPES}) as response:
                body = await content_of(response, MANIFEST_LIMIT, f"the manifest of {reference}")
                return body, response.content_type

        return await self.retried(get)

    async def put_manifest(self, reference: Reference, manifest: bytes, media_type: str) -> bool:
        """See `Registry`."""

        async def put() -> bool:
            url = self.url(reference, f"manifests/{reference.name}")
            headers = {"Content-Type": media_type}
            async with self.request("PUT", url, reference, headers=headers, data=manifest, push=True) as response:
                return "OCI-Subject" in response.headers

        return await self.retried(put)

    async def get_referrers(self, reference: Reference, digest: str) -> list[dict[str, Any]] | None:
        """See `Registry`."""
        entries: list[dict[str, Any]] = []
        pages = Pages()

        async def page(url: URL) -> URL | None:
            async with self.request("GET", url, reference, headers={"Accept": mediatypes.OCI_INDEX}) as response:
                found = await listed_in(response, "manifests")
                pages.count(len(found))
                entries.extend(found)
                return self.next_page(reference, response)

        url: URL | None = self.url(reference, f"referrers/{digest}")
        while url is not None:
            try:
                url = await self.retried(partial(page, url))
            except NotFoundError:
                return None
        return entries

    async def mount_blob(self, reference: Reference, digest: str, source: str) -> bool:
        """See `Registry`."""
        return await self._uploads.mount(reference, digest, source)

    async def has_blob(self, reference: Reference, digest: str) -> bool:
        """See `Registry`."""

        async def head() -> bool:
            url = self.url(reference, f"blobs/{digest}")
            try:
                async with self.request("HEAD", url, reference, push=True):
                    return True
            except NotFoundError:
                return False

        return await self.retried(head)

    async def put_blob(
        self, reference: Reference, content: Content, progress: Progress, *, mount_from: str | None = None
    ) -> None:
        """See `Registry`."""
        await self._uploads.upload(reference, content, progress, mount_from=mount_from)

    async def get_blob(self, reference: Reference, digest: str, *, start: int = 0) -> AsyncGenerator[bytes]:
        """See `Registry`. A connection lost in the middle raises; the caller resumes where it was."""
        url = self.url(reference, f"blobs/{digest}")
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with AsyncExitStack() as stack:

            async def begin() -> aiohttp.ClientResponse:
                return await stack.enter_async_context(self.request("GET", url, reference, headers=headers))

            response = await self.retried(begin, even_unavailable=False)
            unwanted = 0 if response.status == PARTIAL else start  # a registry may send all in spite of the range
            async for chunk in response.content.iter_chunked(CHUNK):
                if unwanted < len(chunk):
                    yield chunk[unwanted:]
                unwanted = max(0, unwanted - len(chunk))

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        reference: Reference,
        *,
        headers: dict[str, str] | None = None,
        data: Body = None,
        push: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request with what authorization is known; a challenge is learnt from, for the next attempt."""
        known = self._authorizer.headers(reference, push=push)
        async with self._transport.send(Request(method, url, {**(headers or {}), **known}, data)) as response:
            is_registry = is_same_origin(response.url, url)
            if response.status == UNAUTHORIZED and is_registry:
                await self._authorizer.learn(reference, response, push=push)
                raise ChallengedError(f"{reference.host} asks for authorization")
            self._authorizer.accepted(reference, push=push)
            await (raise_for if is_registry else raise_for_store)(response, reference)
            yield response

    async def retried(self, attempt: Callable[[], Awaitable[ResultT]], *, even_unavailable: bool = True) -> ResultT:
        """Call again after errors that may pass, after each challenge, and when a pause that was asked for is over.

        Args:
            attempt: what to call.
            even_unavailable: also where the registry does not answer at all.
        """
        budget = _Budget(self._first_pause)
        while True:
            try:
                return await attempt()
            except ChallengedError as error:
                budget.spend_try(error)
            except BusyError as error:
                await asyncio.sleep(budget.spend_pause(error))
            except RegistryUnavailableError as error:
                if not even_unavailable or isinstance(error.__cause__, aiohttp.ClientConnectorError):
                    raise  # where nobody listens, that does not change within a second: say it at once
                await asyncio.sleep(budget.spend_try(error))

    def next_page(self, reference: Reference, response: aiohttp.ClientResponse) -> URL | None:
        """Where a list continues (RFC 8288), if it does. Raises ForeignHostError."""
        links = LINK.finditer(", ".join(response.headers.getall("Link", [])))
        following = next((link[1] for link in links if IS_NEXT.search(link[2])), None)
        return within(self.api(reference), following, response.url) if following is not None else None

    def url(self, reference: Reference, path: str) -> URL:
        """The URL of something in the repository."""
        return exact(f"{self.api(reference)}{reference.repository}/{path}")

    def api(self, reference: Reference) -> URL:
        """The URL of the API of the reference's registry, which answers where there is one."""
        scheme = "http" if self._plain_http or reference.is_loopback else "https"
        return exact(f"{scheme}://{reference.host}/v2/")


class _Budget:
    """How often, and for how long, a request is tried again.

    Args:
        first_pause: seconds before the second try; doubles each time.
    """

    def __init__(self, first_pause: float) -> None:
        self._next_pause = first_pause
        self._tries = 0
        self._asked_for = 0.0

    def spend_try(self, error: Exception) -> float:
        """Seconds until the next try; raises the error where there is none."""
        self._tries += 1
        if self._tries >= TRIES:
            raise error
        self._next_pause *= 2
        return self._next_pause / 2

    def spend_pause(self, error: BusyError) -> float:
        """As `spend_try`; where the registry asked for a pause, the transport waits, and only its length counts."""
        if error.pause is None:
            return self.spend_try(error)
        self._asked_for += max(1.0, error.pause)
        if self._asked_for > LONGEST_PAUSE:
            raise error
        return 0.0
