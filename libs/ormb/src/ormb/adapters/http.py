"""A registry over HTTP: the OCI distribution API 1.1, streamed."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import aiohttp

from ormb import mediatypes
from ormb.digest import CHUNK
from ormb.errors import AuthenticationError, NotFoundError, RegistryError, RegistryUnavailableError
from ormb.packed import Content
from ormb.ports import Progress
from ormb.reference import Reference

from .challenge import Authorizer
from .sessions import UploadSessions
from .uploads import CHUNK_BYTES, Uploads

ResultT = TypeVar("ResultT")

MANIFEST_TYPES = (
    f"{mediatypes.OCI_MANIFEST}, {mediatypes.OCI_INDEX}, {mediatypes.DOCKER_MANIFEST}, {mediatypes.DOCKER_INDEX}"
)
MANIFEST_LIMIT = 4 * 1024 * 1024
PARTIAL = 206
TRIES = 5
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


class HttpRegistry:
    """See `ormb.ports.Registry`.

    Args:
        session: owns the connections.
        authorizer: answers challenges.
        sessions: remembers uploads in the middle.
        plain_http: use http for every host; hosts on this machine always do.
        first_pause: seconds before the second try of a request that failed for now; doubles each time.
        chunk_bytes: larger blobs are sent in pieces of this size, so that an upload can be taken up again.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        authorizer: Authorizer,
        *,
        sessions: UploadSessions,
        plain_http: bool = False,
        first_pause: float = 0.2,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._session = session
        self._authorizer = authorizer
        self._plain_http = plain_http
        self._first_pause = first_pause
        self._uploads = Uploads(self, sessions, chunk_bytes=chunk_bytes)

    async def get_manifest(self, reference: Reference) -> tuple[bytes, str]:
        """See `Registry`."""

        async def get() -> tuple[bytes, str]:
            url = self.url(reference, f"manifests/{reference.name}")
            async with self.request("GET", url, reference, headers={"Accept": MANIFEST_TYPES}) as response:
                body = await response.content.read(MANIFEST_LIMIT + 1)
                while len(body) <= MANIFEST_LIMIT and (more := await response.content.read(CHUNK)):
                    body += more
                if len(body) > MANIFEST_LIMIT:
                    raise RegistryError(f"the manifest of {reference} is larger than {MANIFEST_LIMIT} bytes")
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
        found: list[dict[str, Any]] = []

        async def page(url: str) -> str | None:
            async with self.request("GET", url, reference, headers={"Accept": mediatypes.OCI_INDEX}) as response:
                found.extend((await response.json(content_type=None)).get("manifests") or [])
                following = response.links.get("next")
                return str(following["url"]) if following else None

        url: str | None = self.url(reference, f"referrers/{digest}")
        while url is not None:
            try:
                url = await self.retried(partial(page, url))
            except NotFoundError:
                return None
            except (ValueError, AttributeError) as error:
                raise RegistryError(f"the registry at {reference.host} lists referrers in no known form") from error
        return found

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
        """See `Registry`. A connection lost in the middle raises; the caller goes on from where it was."""
        url = self.url(reference, f"blobs/{digest}")
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self.request("GET", url, reference, headers=headers) as response:
            unwanted = 0 if response.status == PARTIAL else start  # a registry may send all in spite of the range
            async for chunk in response.content.iter_chunked(CHUNK):
                if unwanted < len(chunk):
                    yield chunk[unwanted:]
                unwanted = max(0, unwanted - len(chunk))

    @asynccontextmanager
    async def request(
        self, method: str, url: str, reference: Reference, *, push: bool = False, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request with what authorization is known; a challenge is learnt from, for the next attempt."""
        headers = {**options.pop("headers", {}), **self._authorizer.headers(reference, push=push)}
        try:
            async with self._session.request(method, url, headers=headers, **options) as response:
                if response.status == 401:  # noqa: PLR2004 - HTTP
                    await self._authorizer.learn(reference, response, push=push)
                    raise _ChallengedError(f"{reference.host} asks for authorization")
                self._authorizer.accepted(reference, push=push)
                await _raise_for(response, reference)
                yield response
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise RegistryUnavailableError(
                f"the registry at {reference.host} does not answer ({str(error) or type(error).__name__}): "
                "is it running? `klever up` starts one on this machine"
            ) from error

    async def retried(self, attempt: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Call again after errors that may pass, and after each challenge."""
        for count in range(TRIES):
            try:
                return await attempt()
            except _ChallengedError:
                continue
            except (RegistryUnavailableError, BusyError) as error:
                if count == TRIES - 1 or _is_refused(error):
                    raise
                await asyncio.sleep(self._first_pause * 2**count)
        raise RegistryError("the registry asks for authorization again and again")

    def url(self, reference: Reference, path: str) -> str:
        """The URL of something in the repository."""
        return f"{self.api(reference)}{reference.repository}/{path}"

    def api(self, reference: Reference) -> str:
        """The URL of the API of the reference's registry, which answers where there is one."""
        scheme = "http" if self._plain_http or reference.is_loopback else "https"
        return f"{scheme}://{reference.host}/v2/"


class _ChallengedError(RegistryError):
    """The same request may succeed now."""


class BusyError(RegistryError):
    """The registry is there but cannot answer now."""

    transient = True


async def _raise_for(response: aiohttp.ClientResponse, reference: Reference) -> None:
    if response.ok:
        return
    detail = _detail(await response.content.read(64 * 1024))
    if response.status == 404:  # noqa: PLR2004 - HTTP
        raise NotFoundError(f"{reference} is not in the registry: check the name with `ormb inspect`, or push it first")
    if response.status == 403:  # noqa: PLR2004 - HTTP
        raise AuthenticationError(
            f"{reference.host} refuses your account for {reference.repository}{detail}: "
            f"`ormb login {reference.host}` with one that may, or ask who runs it"
        )
    if response.status in TRANSIENT_STATUSES:
        raise BusyError(f"the registry at {reference.host} answered {response.status}{detail}: try again later")
    raise RegistryError(
        f"the registry at {reference.host} refused {reference}: {response.status}{detail}", status=response.status
    )


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
