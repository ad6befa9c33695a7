"""Verifies a backup. Nothing of it is used before all of it is verified.

The archive may be hostile: names, types, sizes and digests of members are checked, and only members of limited size are
read into memory. It is not compressed, so that it cannot expand. The content of a stream's snapshot is checked by
nats-server, which restores regular files below the directory of the stream only, within its limits.
"""

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, cast

from ormb.bounded_tar import entries
from ormb.errors import OrmbError

from .contract import read_header
from .errors import BackupError
from .members import (
    CONSUMERS,
    DIGESTS,
    HEADER,
    SAVED_STREAMS,
    SIZES,
    Header,
    Repository,
    Size,
    blob_name,
    chunk_name,
    size_limit,
    state_name,
)
from .oci import MANIFEST_LIMIT, referenced_blobs
from .reading import PIECE, Backup, Span

MOST_MEMBERS = 2_000_000
NO_BACKUP = "it is not a backup of Klever"


@contextmanager
def verified(path: Path) -> Iterator[Backup]:
    """Yield a backup after all of it was read and verified.

    Raises:
        BackupError: it is incomplete, damaged, hostile, from a newer release, or not a backup.
    """
    with _opened(path) as file:
        try:
            backup = _verify(file)
        except (BackupError, OrmbError, tarfile.TarError) as error:
            raise BackupError(f"{path} cannot be restored: {error}. Nothing was changed") from error
        yield backup


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}") from error


def _verify(file: IO[bytes]) -> Backup:
    sizes: dict[str, Size] = {}
    spans: dict[str, Span] = {}
    header: Header | None = None
    for archive, member in _members(file):
        _check_member(member, spans)
        spans[member.name] = Span(member.offset_data, member.size)
        content = cast("IO[bytes]", archive.extractfile(member))
        if member.name == HEADER:
            document = content.read()
            header = read_header(document)  # first, because a newer release may have other members
            content = BytesIO(document)
        sizes[member.name] = _measured(content)
    if header is None:
        raise BackupError(NO_BACKUP)
    backup = Backup(file, spans, header)
    _check_digests(backup, sizes)
    _check_streams(backup)
    _check_registry(backup)
    return backup


def _members(file: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of an archive. Raises BackupError if the file is not an archive at all."""
    is_archive = False
    try:
        for each in entries(file, most=MOST_MEMBERS):
            is_archive = True
            yield each
    except tarfile.TarError as error:
        raise BackupError(f"it is damaged or incomplete: {error}" if is_archive else NO_BACKUP) from error


def _check_member(member: tarfile.TarInfo, known: Mapping[str, Span]) -> None:
    if (member.name == HEADER) is bool(known):
        raise BackupError(NO_BACKUP if not known else f"it contains {member.name!r} twice")
    limit = size_limit(member.name)
    if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
        raise BackupError(f"{member.name!r} is not a regular file")
    if member.name in known:
        raise BackupError(f"it contains {member.name!r} twice")
    if DIGESTS in known:
        raise BackupError(f"{member.name!r} follows the end")
    if limit is not None and member.size > limit:
        raise BackupError(f"{member.name!r} has {member.size} bytes; the maximum is {limit}")


def _measured(content: IO[bytes]) -> Size:
    sha256, size = hashlib.sha256(), 0
    while piece := content.read(PIECE):
        sha256.update(piece)
        size += len(piece)
    return Size(size=size, sha256=sha256.hexdigest())


def _check_digests(backup: Backup, sizes: dict[str, Size]) -> None:
    """Compare all members with the list at the end, and blobs with their names."""
    expected = backup.parsed(DIGESTS, SIZES)
    actual = {name: size for name, size in sizes.items() if name != DIGESTS}
    for name in sorted(expected.keys() | actual.keys()):
        if name not in actual:
            raise BackupError(f"it is incomplete: {name} is missing")
        if expected.get(name) != actual[name]:
            raise BackupError(f"{name} is damaged: it has another size or digest than when the backup was created")
    for digest in backup.blobs():
        algorithm, _, expected_digest = digest.partition(":")
        if algorithm == "sha256":
            is_intact = actual[blob_name(digest)].sha256 == expected_digest
        else:
            is_intact = _hashed(algorithm, backup.blob(digest)) == expected_digest
        if not is_intact:
            raise BackupError(f"the blob {digest} has another digest")


def _hashed(algorithm: str, pieces: Iterator[bytes]) -> str:
    digest = hashlib.new(algorithm)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _check_streams(backup: Backup) -> None:
    """Check that there is one complete snapshot of each stream, and a stream for each consumer."""
    chunks = {name for name in backup.names if name.startswith("nats/") and name.rpartition("/")[2].isdecimal()}
    for stream in SAVED_STREAMS:
        backup.state(stream)
        count = sum(1 for name in chunks if name.startswith(f"nats/{stream}/"))
        chunks -= {chunk_name(stream, number) for number in range(1, count + 1)}
    others = [name for name in backup.names if name.startswith("nats/") and name.endswith("/state.json")]
    unexpected = chunks | (set(others) - {state_name(stream) for stream in SAVED_STREAMS})
    if unexpected:
        raise BackupError(f"{min(unexpected)} belongs to no stream of this release, or is out of order")
    unknown = {consumer.stream for consumer in backup.consumers()} - set(SAVED_STREAMS)
    if unknown:
        raise BackupError(f"{CONSUMERS} contains consumers of other streams: {', '.join(sorted(unknown))}")


def _check_registry(backup: Backup) -> None:
    """Check that every blob that a manifest refers to is in the archive."""
    for repository in backup.repositories():
        missing = [digest for digest in repository.blobs if not backup.has(blob_name(digest))]
        if missing:
            raise BackupError(f"it is incomplete: {repository.name} refers to {missing[0]}, which is missing")
        _check_references(backup, repository)


def _check_references(backup: Backup, repository: Repository) -> None:
    def manifest(digest: str) -> bytes:
        if digest not in repository.blobs:
            raise BackupError(f"it is incomplete: the manifest {digest} of {repository.name} is missing")
        return backup.small_blob(digest, MANIFEST_LIMIT)

    missing = sorted(referenced_blobs(repository.index, manifest) - set(repository.blobs))
    if missing:
        raise BackupError(f"it is incomplete: a manifest of {repository.name} refers to {missing[0]}, which is missing")
