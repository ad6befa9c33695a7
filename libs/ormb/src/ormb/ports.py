"""What the client needs of a registry and of whoever watches a transfer."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from .packed import Content
from .reference import Reference


class Registry(Protocol):
    """An OCI registry, by the distribution specification 1.1."""

    async def get_manifest(self, reference: Reference) -> tuple[bytes, str]:
        """The manifest's bytes and media type. Raises NotFoundError, AuthenticationError, RegistryError."""
        ...

    async def put_manifest(self, reference: Reference, manifest: bytes, media_type: str) -> bool:
        """Store a manifest under a tag or digest; whether the registry lists it with the referrers of its subject.

        Raises:
            AuthenticationError, RegistryError.
        """
        ...

    async def get_referrers(self, reference: Reference, digest: str) -> list[dict[str, Any]] | None:
        """Descriptors of what refers to a manifest; None where the registry does not list referrers.

        Raises:
            AuthenticationError, RegistryError.
        """
        ...

    async def mount_blob(self, reference: Reference, digest: str, source: str) -> bool:
        """Have a blob taken from another repository of the registry; whether it was.

        Raises:
            AuthenticationError, RegistryError.
        """
        ...

    async def has_blob(self, reference: Reference, digest: str) -> bool:
        """Whether the repository has the blob. Raises AuthenticationError, RegistryError."""
        ...

    async def put_blob(
        self, reference: Reference, content: Content, progress: "Progress", *, mount_from: str | None = None
    ) -> None:
        """Upload a blob; or have it taken from another repository of the registry, which may have it.

        Raises:
            AuthenticationError, RegistryError.
        """
        ...

    def get_blob(self, reference: Reference, digest: str, *, start: int = 0) -> AsyncIterator[bytes]:
        """The blob's bytes from an offset on, in chunks, unverified.

        Raises:
            NotFoundError, AuthenticationError, RegistryError.
        """
        ...


class Progress(Protocol):
    """Told how a transfer goes."""

    def started(self, total: int) -> None:
        """So many bytes are to be moved."""
        ...

    def advanced(self, count: int) -> None:
        """So many more bytes are there, by transfer or because they were there before; negative on a retry."""
        ...


class Silent:
    """Progress that nobody watches."""

    def started(self, total: int) -> None:
        """See `Progress`."""

    def advanced(self, count: int) -> None:
        """See `Progress`."""
