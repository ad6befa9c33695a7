"""Saves models of a registry at a URL, by the OCI distribution API."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kleverproto.references import ModelRef
from ormb.digest import digest_bytes
from ormb.errors import NotFoundError, OrmbError
from ormb.mediatypes import OCI_INDEX, REF_NAME
from ormb.ports import Registry
from ormb.reference import Reference
from ormb.referrers import Referrers
from ormb.transfer import Transfer

from .errors import BackupError
from .members import DIGEST_LIST, blob_name, blobs_name, index_name
from .oci import SUBJECT, ManifestEntry, referenced_blobs
from .writing import Archive


@dataclass(frozen=True)
class Version:
    """A model version in the registry."""

    ref: ModelRef
    digest: str


@dataclass(frozen=True)
class _Manifest:
    entry: ManifestEntry
    content: bytes
    subject: str | None = None


async def save_models_from(registry: Registry, host: str, versions: Iterable[Version], archive: Archive) -> None:
    """Add the repositories of these versions, with everything that is attached to the versions.

    Raises:
        BackupError: a version or a blob is missing or damaged, or the registry does not respond.
    """
    by_repository: dict[str, list[Version]] = {}
    for version in versions:
        by_repository.setdefault(version.ref.repository, []).append(version)
    for name, tagged in sorted(by_repository.items()):
        try:
            await _save_repository(registry, Reference(host, name), tagged, archive)
        except NotFoundError as error:
            raise BackupError(f"{host} lacks a part of {name}: {error}") from error
        except OrmbError as error:
            raise BackupError(f"{name} cannot be read: {error}") from error


async def _save_repository(
    registry: Registry, repository: Reference, versions: Iterable[Version], archive: Archive
) -> None:
    manifests: dict[str, bytes] = {}
    found: list[_Manifest] = []
    for version in versions:
        for manifest in await _with_referrers(registry, repository, version):
            manifests[manifest.entry.digest] = manifest.content
            found.append(manifest)
    index = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(_descriptors(found))}, separators=(",", ":")
    ).encode()
    digests = tuple(sorted(referenced_blobs(index, manifests.__getitem__)))
    for digest in digests:
        if not archive.has(blob_name(digest)):
            await _add_blob(registry, repository, digest, manifests.get(digest), archive)
    archive.add(index_name(repository.repository), index)
    archive.add(blobs_name(repository.repository), DIGEST_LIST.dump_json(digests))


async def _with_referrers(registry: Registry, repository: Reference, version: Version) -> list[_Manifest]:
    """Return the manifest of a version, and all manifests that refer to it or to such a manifest."""
    referrers = Referrers(registry, Transfer(registry, concurrency=1))
    first = await _manifest(registry, repository, version.digest, version.ref.version, None)
    manifests, pending = {version.digest: first}, [version.digest]
    while pending:
        subject = pending.pop()
        for descriptor in await referrers.listed(repository, subject):
            digest = str(descriptor["digest"])
            if digest in manifests:
                continue
            with suppress(NotFoundError):  # a list by tag can contain deleted manifests
                manifests[digest] = await _manifest(registry, repository, digest, None, subject)
                pending.append(digest)
    return list(manifests.values())


async def _manifest(
    registry: Registry, repository: Reference, digest: str, tag: str | None, subject: str | None
) -> _Manifest:
    content, media_type = await registry.get_manifest(repository.at(digest))
    if digest_bytes(content) != digest:
        raise BackupError(f"the manifest {digest} of {repository.repository} is damaged")
    return _Manifest(ManifestEntry(digest, media_type, tag), content, subject)


async def _add_blob(
    registry: Registry, repository: Reference, digest: str, known: bytes | None, archive: Archive
) -> None:
    if known is not None:
        archive.add(blob_name(digest), known)
        return
    with tempfile.TemporaryFile() as file:
        async for piece in registry.get_blob(repository, digest):
            file.write(piece)
        size = file.tell()
        file.seek(0)
        archive.add_file(blob_name(digest), file, size)
    if f"sha256:{archive.digest(blob_name(digest))}" != digest and digest.startswith("sha256:"):
        raise BackupError(f"the blob {digest} of {repository.repository} is damaged")


def _descriptors(manifests: Iterable[_Manifest]) -> Iterator[dict[str, Any]]:
    seen: set[tuple[str, str | None]] = set()
    for manifest in manifests:
        entry = manifest.entry
        if (entry.digest, entry.tag) in seen:
            continue
        seen.add((entry.digest, entry.tag))
        named = {REF_NAME: entry.tag} if entry.tag else {}
        attached = {SUBJECT: manifest.subject} if manifest.subject else {}
        descriptor = {"mediaType": entry.media_type, "digest": entry.digest, "size": len(manifest.content)}
        yield descriptor | ({"annotations": named | attached} if named | attached else {})
