"""What the service needs of its disk and of other registries. Every name and digest given here has been checked.

Everything on the disk may raise StorageError, and what cannot be read is never treated as absent.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol

from kleverproto.accounts import Accounts
from kleverproto.projects import ProjectDocument
from kleverproto.signatures import Signature

from .domain.catalogue import AttachedSignature
from .domain.index import RepositoryIndex
from .domain.manifests import Manifest


class AccountSource(Protocol):
    """Who may use the registry."""

    async def read(self) -> Accounts:
        """Everybody who has an account, as of now."""
        ...


class BlobStore(Protocol):
    """The blobs of each repository; the same bytes in two repositories are stored once.

    Asking for the size, putting and mounting are uses: they keep a blob that nothing names from being collected.
    """

    async def size(self, repository: str, digest: str) -> int | None:
        """Bytes of a blob, or None if the repository does not have it."""
        ...

    def read(self, repository: str, digest: str, *, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `stop`, in pieces. Raises BlobUnknownError."""
        ...

    async def put(self, repository: str, digest: str, content: bytes) -> None:
        """Store a small blob, durably, whose digest has been computed from it."""
        ...

    async def mount(self, repository: str, digest: str, *, source: str) -> bool:
        """Let a repository have a blob of another one; False if that repository does not have it."""
        ...

    async def delete(self, repository: str, digest: str) -> None:
        """Take a blob from a repository. Raises BlobUnknownError."""
        ...


class Inventory(Protocol):
    """All blobs, whether something names them or not."""

    async def repositories(self) -> list[str]:
        """Every repository that may have blobs, sorted."""
        ...

    async def last_uses(self, repository: str) -> dict[str, datetime]:
        """The blobs of a repository, each with the time of its last use."""
        ...

    async def collect(self, repository: str, digest: str, *, before: datetime) -> bool:
        """Remove a blob unless it was used since; no use comes between the look and the removal."""
        ...


class Space(Protocol):
    """What projects have on the disk."""

    async def used(self, project: str) -> int:
        """Bytes of a project: its blobs, each once, and its uploads."""
        ...

    async def open_uploads(self, project: str) -> int:
        """How many uploads of a project have begun and not ended."""
        ...


class Uploads(Protocol):
    """Blobs on their way in. They outlive the process and are never visible before their digest is verified."""

    async def begin(self, repository: str) -> str:
        """Start an upload and return its id."""
        ...

    async def offset(self, repository: str, upload: str) -> int:
        """Bytes that have come. Raises UploadUnknownError."""
        ...

    async def append(
        self, repository: str, upload: str, chunks: AsyncIterator[bytes], *, start: int | None = None
    ) -> int:
        """Add bytes and return the new offset.

        Args:
            repository: whose upload it is.
            upload: its id.
            chunks: the bytes.
            start: where they belong, if the client said.

        Raises:
            UploadUnknownError: there is no such upload.
            ChunkOutOfOrderError: `start` is not the offset, or another request has added bytes meanwhile.
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
        """Add the last bytes, verify all and make them a blob of the repository, durably; no other request between.

        Args:
            repository: whose upload it is.
            upload: its id.
            digest: of all bytes.
            last: more bytes, see `append`.
            start: where these belong, if the client said.

        Raises:
            UploadUnknownError: there is no such upload.
            ChunkOutOfOrderError: `start` is not the offset, or another request has added bytes meanwhile.
            DigestInvalidError: the bytes are not what the digest says; the upload is gone.
        """
        ...

    async def cancel(self, repository: str, upload: str) -> None:
        """Remove the upload. Raises UploadUnknownError."""
        ...

    async def purge(self, older_than: timedelta) -> int:
        """Remove the uploads to which nothing was added for so long; return their number."""
        ...


class Locks(Protocol):
    """Turns of everybody who uses the same data, in this process and in other replicas."""

    def exclusive(self, name: str) -> AbstractAsyncContextManager[None]:
        """Nobody else is in a block of this name meanwhile."""
        ...


class ManifestStore(Protocol):
    """The manifests and tags of each repository."""

    async def index(self, repository: str) -> RepositoryIndex | None:
        """All manifests and tags now, or None where nothing was ever pushed there."""
        ...

    async def get(self, repository: str, reference: str) -> Manifest | None:
        """The manifest that a tag or digest names, or None."""
        ...

    async def put(self, repository: str, manifest: Manifest, tag: str | None) -> None:
        """Store a manifest, durably, and let a tag name it."""
        ...

    async def delete_tag(self, repository: str, tag: str) -> bool:
        """Remove a tag; False where there is none."""
        ...

    async def delete_version(self, repository: str, tag: str, digest: str) -> bool:
        """Remove a tag, and the manifest with its referrers where nothing else names it.

        False where the tag does not name this digest: then nothing is removed.
        """
        ...

    async def delete(self, repository: str, digest: str) -> list[str] | None:
        """Remove a manifest with its tags and return these; None where there is no such manifest."""
        ...

    async def repositories(self) -> list[str]:
        """Every repository that has an index, sorted."""
        ...


class Usage(Protocol):
    """Which models are served."""

    def servings_of(self, repository: str, tags: Collection[str], digest: str | None) -> list[str]:
        """The servings, `namespace/name`, that serve one of the tags, or the manifest.

        Raises:
            UsageUnknownError: the servings were never read.
        """
        ...


class PolicyCopies(Protocol):
    """The last accepted policy of each project, outside NATS."""

    async def keep(self, key: str, document: ProjectDocument) -> None:
        """Replace the copy of a project, durably."""
        ...

    async def all(self) -> dict[str, ProjectDocument]:
        """Every copy, by key."""
        ...


class ManifestSource(Protocol):
    """The manifests that one registry has: the embedded one, or another."""

    async def get(self, repository: str, reference: str) -> Manifest | None:
        """The manifest that a tag or digest names, or None. Raises TransientError, PermanentError."""
        ...

    async def is_deleted(self, repository: str, tag: str) -> bool:
        """Whether the registry itself says that the tag was deleted: it is there, and answers for this tag.

        Raises:
            TransientError, PermanentError: it cannot say.
        """
        ...

    async def start_of_blob(self, repository: str, digest: str, size: int) -> bytes:
        """The first bytes of a blob, unverified; empty where it is not there. Raises TransientError, PermanentError."""
        ...

    async def config(self, repository: str, digest: str, size: int) -> bytes | None:
        """The config blob of a manifest, of so many bytes; None where it is not there, or is not what its digest says.

        Raises:
            TransientError, PermanentError.
        """
        ...


class Tags(Protocol):
    """The tags of another registry."""

    async def repositories(self) -> list[str]:
        """Every repository of the registry. Raises TransientError, PermanentError."""
        ...

    async def tags(self, repository: str) -> dict[str, str]:
        """Tag to digest; empty where there is no such repository. Raises TransientError, PermanentError."""
        ...

    async def has(self, repository: str) -> bool:
        """Whether the registry knows the repository, with tags or without. Raises TransientError, PermanentError."""
        ...


class SignatureStore(Protocol):
    """The signatures of one registry's models, beside them as referrers."""

    async def attach(self, repository: str, digest: str, signature: Signature) -> AttachedSignature | None:
        """Store a signature beside its model; the same again changes nothing. None where the model is gone."""
        ...

    async def find(self, repository: str, digest: str) -> AttachedSignature | None:
        """The signature that was attached last, if any."""
        ...

    async def tags_of(self, repository: str, digest: str) -> list[str]:
        """The tags that name a model now."""
        ...
