"""A registry over HTTP: a streaming client of the OCI distribution API 1.1."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import aiohttp
from yarl import URL

from ormb import mediatypes
from ormb.digest import CHUNK
from ormb.errors import NotFoundError
from ormb.limits import MANIFEST_LIMIT
from ormb.packed import Content
from ormb.ports import Progress
from ormb.reference import Reference

from .answers import Pages, content_of, read_list
from .api import RegistryApi
from .sessions import UploadSessions
from .uploads import CHUNK_BYTES, Uploads

MANIFEST_TYPES = (
    f"{mediatypes.OCI_MANIFEST}, {mediatypes.OCI_INDEX}, {mediatypes.DOCKER_MANIFEST}, {mediatypes.DOCKER_INDEX}"
)
PARTIAL = 206


class HttpRegistry:
    """See `ormb.ports.Registry`.

    Args:
        api: sends requests.
        sessions: remembers interrupted uploads.
        chunk_bytes: larger blobs are sent in chunks of this size, so that an interrupted upload resumes.
    """

    def __init__(self, api: RegistryApi, *, sessions: UploadSessions, chunk_bytes: int = CHUNK_BYTES) -> None:
        self.api = api
        self._uploads = Uploads(api, sessions, chunk_bytes=chunk_bytes)

    async def get_manifest(self, reference: Reference) -> tuple[bytes, str]:
        """See `Registry`."""

        async def get() -> tuple[bytes, str]:
            url = self.api.url(reference, f"manifests/{reference.name}")
            async with self.api.request("GET", url, reference, headers={"Accept": MANIFEST_TYPES}) as response:
                body = await content_of(response, MANIFEST_LIMIT, f"the manifest of {reference}")
                return body, response.content_type

        return await self.api.retried(get)

    async def put_manifest(self, reference: Reference, manifest: bytes, media_type: str) -> bool:
        """See `Registry`."""

        async def put() -> bool:
            url = self.api.url(reference, f"manifests/{reference.name}")
            headers = {"Content-Type": media_type}
            async with self.api.request("PUT", url, reference, headers=headers, data=manifest, push=True) as response:
                return "OCI-Subject" in response.headers

        return await self.api.retried(put)

    async def get_referrers(self, reference: Reference, digest: str) -> list[dict[str, Any]] | None:
        """See `Registry`."""
        entries: list[dict[str, Any]] = []
        pages = Pages()

        async def page(url: URL) -> URL | None:
            async with self.api.request("GET", url, reference, headers={"Accept": mediatypes.OCI_INDEX}) as response:
                manifests = await read_list(response, "manifests")
                pages.count(len(manifests))
                entries.extend(manifests)
                return self.api.next_page(reference, response)

        url: URL | None = self.api.url(reference, f"referrers/{digest}")
        while url is not None:
            try:
                url = await self.api.retried(partial(page, url))
            except NotFoundError:
                return None
        return entries

    async def mount_blob(self, reference: Reference, digest: str, source: str) -> bool:
        """See `Registry`."""
        return await self._uploads.mount(reference, digest, source)

    async def has_blob(self, reference: Reference, digest: str) -> bool:
        """See `Registry`."""

        async def head() -> bool:
            url = self.api.url(reference, f"blobs/{digest}")
            try:
                async with self.api.request("HEAD", url, reference, push=True):
                    return True
            except NotFoundError:
                return False

        return await self.api.retried(head)

    async def put_blob(
        self, reference: Reference, content: Content, progress: Progress, *, mount_from: str | None = None
    ) -> None:
        """See `Registry`."""
        await self._uploads.upload(reference, content, progress, mount_from=mount_from)

    async def get_blob(self, reference: Reference, digest: str, *, start: int = 0) -> AsyncGenerator[bytes]:
        """See `Registry`. A lost connection raises an error; the caller then resumes from its offset."""
        url = self.api.url(reference, f"blobs/{digest}")
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with AsyncExitStack() as stack:

            async def begin() -> aiohttp.ClientResponse:
                return await stack.enter_async_context(self.api.request("GET", url, reference, headers=headers))

            response = await self.api.retried(begin, even_unavailable=False)
            unwanted = 0 if response.status == PARTIAL else start  # some registries ignore the range
            async for chunk in response.content.iter_chunked(CHUNK):
                if unwanted < len(chunk):
                    yield chunk[unwanted:]
                unwanted = max(0, unwanted - len(chunk))
