"""The names and the content of a backup's members; pure.

backup.json                                      format, release and contract
home/…                                           secrets, accounts, and copies of documents
nats/consumers.json                              the positions of consumers
nats/<stream>/state.json, nats/<stream>/<number> a snapshot of a stream, in chunks
registry/blobs/<algorithm>/<hex>                 each blob once
registry/repositories/<name>/index.json          manifests and tags, as in an OCI image layout
registry/repositories/<name>/blobs.json          digests of the repository's blobs
digests.json                                     size and digest of each member; the last one
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field, TypeAdapter

from kleverproto.base import WireModel
from kleverproto.references import DNS_LABEL_PATTERN, REPOSITORY_PATTERN, Digest
from kleverproto.streams import BUCKETS, STREAMS

from .errors import BackupError

FORMAT = 1
"""Version of this layout. It increases if an earlier release cannot restore it."""
HEADER, DIGESTS, CONSUMERS = "backup.json", "digests.json", "nats/consumers.json"
HOME, BLOBS, REPOSITORIES = "home/", "registry/blobs/", "registry/repositories/"
MIB = 1024 * 1024
SAVED_STREAMS = (*(bucket.stream for bucket in reversed(BUCKETS)), *(stream.name for stream in STREAMS))
"""Buckets and streams in the order of their snapshots. Leases and saved positions are created again.

Servings and jobs precede the models that they refer to. Buckets precede streams, so that no document refers to a later
message than the stream has: a request with a lower sequence than that of its document would count as late.
"""
CHUNK_BYTES = 256 * 1024
"""Size of the chunks of a snapshot. A message of NATS is at most 1 MiB by default."""

_FILE = r"[^/\0]{1,250}"
_LABEL = DNS_LABEL_PATTERN.strip("^$")
_HOME_FILES = (
    r"token",
    r"accounts\.yaml",
    r"credentials/registry-password",
    rf"credentials/nats/{_LABEL}\.nk",
    r"credentials/nats/externals\.json",
    rf"secrets/{_LABEL}/{_LABEL}",
    rf"deployer/servings/{_FILE}\.json",
    rf"registry/(catalogue|projects)/{_FILE}\.json",
)
_HOME_FILE = re.compile("|".join(f"(?:{each})" for each in _HOME_FILES))
_REPOSITORY = REPOSITORY_PATTERN.strip("^$")
_LIMITS = {
    re.compile(r"backup\.json"): MIB,
    re.compile(r"digests\.json"): 64 * MIB,
    re.compile(r"nats/consumers\.json"): MIB,
    re.compile(r"nats/[A-Za-z_-]{1,64}/state\.json"): MIB,
    re.compile(r"nats/[A-Za-z_-]{1,64}/[0-9]{8}"): MIB,
    re.compile(rf"home/(?:{_HOME_FILE.pattern})"): 16 * MIB,
    re.compile(r"registry/blobs/(?:sha256/[0-9a-f]{64}|sha512/[0-9a-f]{128})"): None,
    re.compile(rf"registry/repositories/(?:{_REPOSITORY})/(?:index|blobs)\.json"): 64 * MIB,
}
"""Maximum sizes in bytes by name; None for no limit, because blobs are not read into memory."""


class Header(WireModel):
    """The first member of a backup."""

    kind: Literal["KleverBackup"] = "KleverBackup"
    format: int = FORMAT
    release: str
    created_at: datetime
    contract: tuple[str, ...]
    """Names of the event types and of the fields of documents in the release that created the backup."""


class Consumer(WireModel):
    """The position of a durable pull consumer."""

    stream: str
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")
    filters: tuple[str, ...]
    ack_wait: float
    """In seconds."""
    max_deliver: int
    max_ack_pending: int
    floor: int
    """All messages up to this sequence were acknowledged."""


class StreamState(WireModel):
    """The content of a stream when its snapshot was taken."""

    messages: int
    first_seq: int
    last_seq: int
    bytes: int


class Size(WireModel):
    """Size in bytes and digest of a member."""

    size: int
    sha256: str


CONSUMER_LIST = TypeAdapter(tuple[Consumer, ...])
DIGEST_LIST = TypeAdapter(tuple[Digest, ...])
SIZES = TypeAdapter(dict[str, Size])


@dataclass(frozen=True)
class Repository:
    """A repository of the registry.

    Attributes:
        name: its name, such as `library/iris`.
        index: the content of its index.json.
        blobs: digests of its blobs.
    """

    name: str
    index: bytes
    blobs: tuple[str, ...]


def _size_limit(name: str) -> int | None:
    """Return the maximum size of a member; None for no limit. Raises BackupError for any other name."""
    for pattern, limit in _LIMITS.items():
        if pattern.fullmatch(name):
            return limit
    raise BackupError(f"it contains {name!r}, which is not a part of a backup")


def require_size(name: str, size: int) -> None:
    """Raise BackupError if a backup cannot have a member with this name or size."""
    limit = _size_limit(name)
    if limit is not None and size > limit:
        raise BackupError(f"{name!r} has {size} bytes; the maximum is {limit}")


def is_home_file(path: str) -> bool:
    """Return whether a file of the home, by its relative path, is a part of a backup."""
    return _HOME_FILE.fullmatch(path) is not None


def state_name(stream: str) -> str:
    """Return the name of the member with the state of a stream."""
    return f"nats/{stream}/state.json"


def chunk_name(stream: str, number: int) -> str:
    """Return the name of a chunk of a stream's snapshot. Numbers start at 1."""
    return f"nats/{stream}/{number:08}"


def blob_name(digest: str) -> str:
    """Return the name of the member with a blob."""
    return f"{BLOBS}{digest.replace(':', '/', 1)}"


def index_name(repository: str) -> str:
    """Return the name of the member with the index of a repository."""
    return f"{REPOSITORIES}{repository}/index.json"


def blobs_name(repository: str) -> str:
    """Return the name of the member with the digests of a repository's blobs."""
    return f"{REPOSITORIES}{repository}/blobs.json"
