"""The interfaces to a registry and to the progress of a transfer."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from .packed import Content
from .reference import Reference


class Registry(Protocol):
    """An OCI registry (distribution specification 1.1)."""

    async def get_manifest(self, reference: Reference) -> tuple[bytes, str]:
        """Return the manifest's bytes and media type. Raises NotFoundError, AuthenticationError, RegistryError."""
        ...

    async def put_manifest(self, reference: Reference, manifest: bytes, media_type: str) -> bool:
        """Push a manifest under a tag or digest. Returns whether the registry lists it as a referrer of its subject.

        Raises:
            AuthenticationError, RegistryError.
        """
        ...

    async def get_referrers(self, reference: Reference, digest: str) -> list[dict[str, Any]] | None:
        """Return descriptors of the referrers of a manifest; None if the registry does not support the referrers API.

        Raises:
            AuthenticationError, RegistryError.
        """
        ...

    async def mount_blob(self, reference: Reference, digest: str, source: str) -> bool:
        """Mount a blob from another repository of the registry. Returns whether that succeeded.

        Raises:
            AuthenticationError, RegistryError.
        """
        ...

    async def has_blob(self, reference: Reference, digest: str) -> bool:
        """Return whether the repository has the blob. Raises AuthenticationError, RegistryError."""
        ...

    async def put_blob(
        self, reference: Reference, content: Content, progress: "Progress", *, mount_from: str | None = None
    ) -> None:
        """Upload a blob, or mount it from another repository of the registry, which may have it.

        Raises:
            AuthenticationError, RegistryError.
        """
        ...

    def get_blob(self, reference: Reference, digest: str, *, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the blob's bytes in chunks, from an offset on. They are not verified.

        Raises:
            NotFoundError, AuthenticationError, RegistryError.
        """
        ...


class Progress(Protocol):
    """Receives the progress of a transfer."""

    def started(self, total: int) -> None:
        """Receive the total number of bytes."""
        ...

    def advanced(self, count: int) -> None:
        """Receive a number of bytes that were transferred or already present; negative before a retry."""
        ...


class Silent:
    """A progress that is not displayed."""

    def started(self, total: int) -> None:
        """See `Progress`."""

    def advanced(self, count: int) -> None:
        """See `Progress`."""
