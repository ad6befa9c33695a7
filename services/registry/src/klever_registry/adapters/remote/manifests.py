"""The manifests and tags of one external registry."""

from contextlib import aclosing
from functools import partial

from yarl import URL

from klever_registry.domain.manifests import Manifest, parse_manifest
from klever_registry.errors import ManifestInvalidError
from kleverkit.errors import PermanentError
from kleverproto.references import is_digest
from ormb.adapters.answers import Pages, read_list
from ormb.adapters.http import MANIFEST_TYPES
from ormb.digest import digest_bytes, matches
from ormb.errors import NotFoundError
from ormb.reference import Reference

from .connection import RemoteConnection, translated

DIGEST_HEADER = "Docker-Content-Digest"
UNDECLARED = ""
"""Digest of an existing tag if the response has no header with the digest."""


class RemoteManifests:
    """See `ManifestSource` and `Tags`.

    Args:
        connection: the HTTP client.
        host: host:port of the registry.
    """

    def __init__(self, connection: RemoteConnection, host: str) -> None:
        self._connection = connection
        self._host = host

    async def get(self, repository: str, reference: str) -> Manifest | None:
        """See `ManifestSource`. Returns None for an invalid manifest, too."""
        named = self.reference(repository, reference)
        try:
            with translated():
                content, media_type = await self._connection.registry.get_manifest(named)
        except PermanentError as error:
            if isinstance(error.__cause__, NotFoundError):
                return None
            raise
        digest = named.digest or digest_bytes(content)
        if not matches(content, digest):
            raise PermanentError(f"{self._host} sent a manifest that is not {digest}: check that registry")
        try:
            return parse_manifest(content, digest, media_type)
        except ManifestInvalidError:
            return None

    async def config(self, repository: str, digest: str, size: int) -> bytes | None:
        """See `ManifestSource`."""
        content = await self._start(repository, digest, size + 1)
        if content is None or len(content) > size or not matches(content, digest):
            return None
        return content

    async def start_of_blob(self, repository: str, digest: str, size: int) -> bytes:
        """See `ManifestSource`."""
        return (await self._start(repository, digest, size) or b"")[:size]

    async def _start(self, repository: str, digest: str, size: int) -> bytes | None:
        """Return at least this many bytes of the start of a blob, or all of it; None if it does not exist."""
        content = b""
        try:
            with translated():
                chunks = self._connection.registry.get_blob(self.reference(repository, digest), digest)
                async with aclosing(chunks) as blob:
                    async for chunk in blob:
                        content += chunk
                        if len(content) >= size:
                            break
        except PermanentError as error:
            if isinstance(error.__cause__, NotFoundError):
                return None
            raise
        return content

    async def is_deleted(self, repository: str, tag: str) -> bool:
        """See `ManifestSource`. The registry must also respond at the root of its API: otherwise 404 proves nothing."""
        api = self._connection.registry.api
        scope = Reference(self._host, repository)

        async def ping() -> None:
            async with api.request("GET", api.root(scope), scope):
                return

        with translated():
            await api.retried(ping)
        return await self._head(repository, tag) is None

    async def has(self, repository: str) -> bool:
        """See `Tags`."""
        return await self._pages(repository, "tags/list", "tags") is not None

    async def repositories(self) -> list[str]:
        """See `Tags`. The credentials must permit GET /v2/_catalog."""
        return await self._list("_catalog", "", "repositories")

    async def tags(self, repository: str) -> dict[str, str]:
        """See `Tags`."""
        digests = {
            tag: await self._digest(repository, tag) for tag in await self._list(repository, "tags/list", "tags")
        }
        return {tag: digest for tag, digest in digests.items() if digest}

    def reference(self, repository: str, name: str) -> Reference:
        """Return the reference for a tag or digest of this registry."""
        return Reference(self._host, repository, **{"digest" if is_digest(name) else "tag": name})

    async def _digest(self, repository: str, tag: str) -> str | None:
        """Return the digest of a tag, if possible from the headers."""
        digest = await self._head(repository, tag)
        if digest != UNDECLARED:
            return digest
        manifest = await self.get(repository, tag)
        return manifest.digest if manifest else None

    async def _head(self, repository: str, tag: str) -> str | None:
        """Return the digest of a tag, or UNDECLARED; None if the registry responds that the tag does not exist."""
        named = self.reference(repository, tag)
        api = self._connection.registry.api

        async def head() -> str:
            url = api.url(named, f"manifests/{tag}")
            async with api.request("HEAD", url, named, headers={"Accept": MANIFEST_TYPES}) as response:
                return response.headers.get(DIGEST_HEADER, UNDECLARED)

        with translated():
            try:
                return await api.retried(head)
            except NotFoundError:
                return None

    async def _list(self, repository: str, path: str, field: str) -> list[str]:
        """Return all pages of a list; empty if it does not exist."""
        return await self._pages(repository, path, field) or []

    async def _pages(self, repository: str, path: str, field: str) -> list[str] | None:
        scope, entries = Reference(self._host, repository), list[str]()
        api = self._connection.registry.api
        url: URL | None = api.url(scope, path) if path else api.root(scope) / repository

        pages = Pages()

        async def page(address: URL) -> tuple[list[str], URL | None]:
            async with api.request("GET", address, scope) as response:
                entries = [str(entry) for entry in await read_list(response, field)]
                pages.count(len(entries))
                return entries, api.next_page(scope, response)

        while url is not None:
            with translated():
                try:
                    more, url = await api.retried(partial(page, url))
                except NotFoundError:
                    return entries or None
            entries += more
        return entries
