"""Saves models of a registry at a URL, by the OCI distribution API."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kleverproto.references import ModelRef
from ormb.digest import matches
from ormb.errors import NotFoundError, OrmbError
from ormb.manifest import Descriptor
from ormb.mediatypes import OCI_INDEX, REF_NAME
from ormb.ports import Registry, Silent
from ormb.reference import Reference
from ormb.referrers import Referrers
from ormb.transfer import Transfer

from .errors import BackupError
from .members import DIGEST_LIST, blob_name, blobs_name, index_name
from .oci import BLOB, SUBJECT, ManifestEntry, digest_of, referenced_blobs
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
    entries: list[_Manifest] = []
    for version in versions:
        for manifest in await _with_referrers(registry, repository, version):
            manifests[manifest.entry.digest] = manifest.content
            entries.append(manifest)
    index = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(_descriptors(entries))}, separators=(",", ":")
    ).encode()
    sizes = referenced_blobs(index, manifests.__getitem__)
    digests = tuple(sorted(sizes))
    for digest in digests:
        if archive.has(blob_name(digest)):
            continue
        if digest in manifests:
            archive.add(blob_name(digest), manifests[digest])
        else:
            await _add_blob(
                registry, repository, Descriptor(media_type=BLOB, digest=digest, size=sizes[digest]), archive
            )
    archive.add(index_name(repository.repository), index)
    archive.add(blobs_name(repository.repository), DIGEST_LIST.dump_json(digests))


async def _with_referrers(registry: Registry, repository: Reference, version: Version) -> list[_Manifest]:
    """Return the manifest of a version, and all manifests that refer to it or to such a manifest."""
    referrers = Referrers(registry, Transfer(registry, concurrency=1))
    first = await _manifest(registry, repository, version.digest, version.ref.version, None)
    manifests, pending = {version.digest: first}, [version.digest]
    while pending:
        subject = pending.pop()
        for digest in await _listed(referrers, repository, subject):
            if digest in manifests:
                continue
            with suppress(NotFoundError):  # a list by tag can contain deleted manifests
                manifests[digest] = await _manifest(registry, repository, digest, None, subject)
                pending.append(digest)
    return list(manifests.values())


async def _listed(referrers: Referrers, repository: Reference, subject: str) -> list[str]:
    """Return the digests of the manifests that refer to a manifest. Raises BackupError, OrmbError."""
    try:
        return [digest_of(descriptor) for descriptor in await referrers.listed(repository, subject)]
    except (KeyError, TypeError, ValueError) as error:
        raise BackupError(f"the referrers of {subject} in {repository.repository} cannot be read: {error}") from error


async def _manifest(
    registry: Registry, repository: Reference, digest: str, tag: str | None, subject: str | None
) -> _Manifest:
    content, media_type = await registry.get_manifest(repository.at(digest))
    if not matches(content, digest):
        raise BackupError(f"the manifest {digest} of {repository.repository} is damaged")
    return _Manifest(ManifestEntry(digest, media_type, tag), content, subject)


async def _add_blob(registry: Registry, repository: Reference, descriptor: Descriptor, archive: Archive) -> None:
    """Download a blob and add it; an interrupted download resumes. Raises OrmbError."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "blob"
        await Transfer(registry).download(repository, [(descriptor, path)], Silent())
        with path.open("rb") as file:
            archive.add_file(blob_name(descriptor.digest), file, descriptor.size)


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
