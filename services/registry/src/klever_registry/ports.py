"""Ports: the disk and other registries. All names and digests passed to them are valid.

All methods on the disk may raise StorageError. Unreadable content is never treated as absent.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from kleverproto.accounts import Accounts
from kleverproto.documents import Document
from kleverproto.envelope import Event
from kleverproto.signatures import Signature

from .domain.catalogue import AttachedSignature
from .domain.index import RepositoryIndex
from .domain.manifests import Manifest

DocT = TypeVar("DocT", bound=Document[Any, Any])


class AccountSource(Protocol):
    """The source of the accounts."""

    async def read(self) -> Accounts:
        """Return the present accounts."""
        ...


class BlobStore(Protocol):
    """The blobs of each repository. Equal blobs of several repositories are stored once.

    `size`, `put` and `mount` count as uses: they protect an unreferenced blob from garbage collection.
    """

    async def size(self, repository: str, digest: str) -> int | None:
        """Return the size of a blob in bytes, or None if the repository does not have it."""
        ...

    def read(self, repository: str, digest: str, *, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` up to `stop`, in chunks. Raises BlobUnknownError."""
        ...

    async def put(self, repository: str, digest: str, content: bytes) -> None:
        """Store a small blob durably. `digest` must be that of the content."""
        ...

    async def mount(self, repository: str, digest: str, *, source: str) -> bool:
        """Add a blob of another repository. Returns False if that repository does not have it."""
        ...

    async def delete(self, repository: str, digest: str) -> None:
        """Remove a blob from a repository. Raises BlobUnknownError."""
        ...


class Inventory(Protocol):
    """All blobs, referenced or not."""

    async def repositories(self) -> list[str]:
        """Return all repositories that may have blobs, sorted."""
        ...

    async def last_uses(self, repository: str) -> dict[str, datetime]:
        """Return the time of the last use of each blob of a repository."""
        ...

    async def collect(self, repository: str, digest: str, *, before: datetime) -> bool:
        """Remove a blob if its last use is before this time. Check and removal are atomic with regard to uses."""
        ...


class Space(Protocol):
    """Space of projects on the disk."""

    async def used(self, project: str) -> int:
        """Return the bytes that a project uses: its distinct blobs and its uploads."""
        ...

    async def open_uploads(self, project: str) -> int:
        """Return the number of open uploads of a project."""
        ...


class Uploads(Protocol):
    """Uploads of blobs. They survive a restart, and become visible only after their digest is verified."""

    async def begin(self, repository: str) -> str:
        """Start an upload and return its id."""
        ...

    async def offset(self, repository: str, upload: str) -> int:
        """Return the number of received bytes. Raises UploadUnknownError."""
        ...

    async def append(
        self, repository: str, upload: str, chunks: AsyncIterator[bytes], *, start: int | None = None
    ) -> int:
        """Append bytes and return the new offset.

        Args:
            repository: the repository of the upload.
            upload: the id of the upload.
            chunks: the bytes.
            start: offset of the bytes, if the client sent one.

        Raises:
            UploadUnknownError: the upload does not exist.
            ChunkOutOfOrderError: `start` is not the offset, or another request has appended bytes meanwhile.
        """
        ...

    async def commit(
        self,
        repository: str,
        upload: str,
        digest: str,
        last: AsyncIterator[bytes] | None = None,
        *,
        start: int | None = None,
    ) -> None:
        """Append the last bytes, verify the digest and store the blob durably, atomically for other requests.

        Args:
            repository: the repository of the upload.
            upload: the id of the upload.
            digest: digest of all bytes.
            last: further bytes, as for `append`.
            start: offset of these bytes, if the client sent one.

        Raises:
            UploadUnknownError: the upload does not exist.
            ChunkOutOfOrderError: `start` is not the offset, or another request has appended bytes meanwhile.
            DigestInvalidError: the digest does not match the bytes. The upload is removed.
        """
        ...

    async def cancel(self, repository: str, upload: str) -> None:
        """Remove an upload. Raises UploadUnknownError."""
        ...

    async def purge(self, older_than: timedelta) -> int:
        """Remove the uploads without new bytes for this long. Returns their number."""
        ...


class Locks(Protocol):
    """Locks between the users of the same data, in this process and in other replicas."""

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold the exclusive lock with this name in the context."""
        ...


class ManifestStore(Protocol):
    """The manifests and tags of each repository."""

    async def index(self, repository: str) -> RepositoryIndex | None:
        """Return all manifests and tags, or None if nothing was ever pushed to the repository."""
        ...

    async def get(self, repository: str, reference: str) -> Manifest | None:
        """Return the manifest of a tag or digest, or None."""
        ...

    async def put(self, repository: str, manifest: Manifest, tag: str | None) -> None:
        """Store a manifest durably, and set a tag if one is given."""
        ...

    async def delete_tag(self, repository: str, tag: str) -> bool:
        """Remove a tag. Returns False if it does not exist."""
        ...

    async def delete_version(self, repository: str, tag: str, digest: str) -> bool:
        """Remove a tag, and its manifest with referrers unless another tag or an image index may name it.

        Returns False, and removes nothing, if the tag does not name this digest.
        """
        ...

    async def delete(self, repository: str, digest: str) -> list[str] | None:
        """Remove a manifest and its tags. Returns these tags, or None if the manifest does not exist."""
        ...

    async def repositories(self) -> list[str]:
        """Return all repositories with an index, sorted."""
        ...


class Usage(Protocol):
    """The served models."""

    def servings_of(self, repository: str, tags: Collection[str], digest: str | None) -> list[str]:
        """Return the servings, `namespace/name`, that serve one of the tags or the manifest.

        Raises:
            UsageUnknownError: the servings were never read.
        """
        ...


class Copies(Protocol[DocT]):
    """Copies of documents of one bucket, outside NATS."""

    async def keep(self, key: str, document: DocT) -> None:
        """Replace the copy of a document, durably."""
        ...

    async def get(self, key: str) -> DocT | None:
        """Return the copy of a document; None if there is none, or if it is unreadable."""
        ...

    async def remove(self, key: str) -> None:
        """Remove the copy of a document, if there is one."""
        ...

    async def all(self) -> dict[str, DocT]:
        """Return all copies that are readable, by key."""
        ...


class Announcements(Protocol):
    """Events in their streams. Each method raises TransientError if the stream does not answer."""

    async def store(self, event: Event[Any]) -> int:
        """Publish an event and return its position. The stream drops the same id again, but only for two minutes."""
        ...

    async def find(self, event: Event[Any], position: int | None) -> int | None:
        """Return the position of the event with this id; None if the stream does not have it.

        Args:
            event: the event.
            position: where it was stored; None to search all events about the same subject.
        """
        ...


class ManifestSource(Protocol):
    """The manifests of one registry, embedded or external."""

    async def get(self, repository: str, reference: str) -> Manifest | None:
        """Return the manifest of a tag or digest, or None. Raises TransientError, PermanentError."""
        ...

    async def is_deleted(self, repository: str, tag: str) -> bool:
        """Return whether the registry itself reports that the tag was deleted: by a response about this tag.

        Raises:
            TransientError, PermanentError: the registry does not report the state of the tag.
        """
        ...

    async def start_of_blob(self, repository: str, digest: str, size: int) -> bytes:
        """Return the first bytes of a blob, unverified; empty without a blob. Raises TransientError, PermanentError."""
        ...

    async def config(self, repository: str, digest: str, size: int) -> bytes | None:
        """Return the config blob of a manifest; None if it does not exist, or does not match its digest.

        Raises:
            TransientError, PermanentError.
        """
        ...


class Tags(Protocol):
    """The tags of another registry."""

    async def repositories(self) -> list[str]:
        """Return all repositories of the registry. Raises TransientError, PermanentError."""
        ...

    async def tags(self, repository: str) -> dict[str, str]:
        """Return digests by tag; none if the repository does not exist. Raises TransientError, PermanentError."""
        ...

    async def has(self, repository: str) -> bool:
        """Return whether the repository exists, with or without tags. Raises TransientError, PermanentError."""
        ...


class SignatureStore(Protocol):
    """The signatures of one registry's models, stored as their referrers."""

    async def attach(self, repository: str, digest: str, signature: Signature) -> AttachedSignature | None:
        """Attach a signature to its model. Idempotent. Returns None if the model does not exist any more."""
        ...

    async def find(self, repository: str, digest: str) -> AttachedSignature | None:
        """Return the last attached signature, or None."""
        ...

    async def tags_of(self, repository: str, digest: str) -> list[str]:
        """Return the present tags of a model."""
        ...
