"""Pushes the models of a backup to a registry."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from modelformats.bounded_json import load_json
from ormb.copying import listed_fields
from ormb.digest import matches
from ormb.errors import NotFoundError, OrmbError
from ormb.manifest import Descriptor
from ormb.packed import Content
from ormb.ports import Registry, Silent
from ormb.reference import Reference
from ormb.referrers import Referrers
from ormb.transfer import Transfer

from .errors import BackupError
from .members import Repository
from .oci import BLOB, INDEXES, MANIFEST_LIMIT, ManifestEntry, manifest_entries
from .reading import Backup


async def require_no_other_versions(backup: Backup, registry: Registry, host: str) -> None:
    """Raise BackupError if a tag of the backup names another manifest in the registry."""
    for repository in backup.repositories():
        for entry in manifest_entries(repository.index):
            reference = Reference(host, repository.name, entry.tag)
            if entry.tag and await _names_another(registry, reference, entry.digest):
                raise BackupError(f"{reference} is another version than in the backup: delete it first")


async def push_models(backup: Backup, registry: Registry, host: str) -> None:
    """Push all repositories; blobs and manifests that the registry has are not sent again. Raises BackupError."""
    sources: dict[str, str] = {}
    for repository in backup.repositories():
        try:
            await _push(backup, registry, host, repository, sources)
        except OrmbError as error:
            raise BackupError(f"{repository.name} cannot be pushed: {error}. The same command resumes") from error


def restored_tags(backup: Backup) -> dict[str, str]:
    """Return the digests of all tagged manifests by `repository:tag`."""
    return {
        f"{repository.name}:{entry.tag}": entry.digest
        for repository in backup.repositories()
        for entry in manifest_entries(repository.index)
        if entry.tag
    }


async def _push(backup: Backup, registry: Registry, host: str, repository: Repository, sources: dict[str, str]) -> None:
    entries = manifest_entries(repository.index)
    for digest in set(repository.blobs) - {entry.digest for entry in entries}:
        await _push_blob(backup, registry, Reference(host, repository.name, digest=digest), sources.get(digest))
        sources.setdefault(digest, repository.name)
    for entry in _in_order(entries):
        content = backup.small_blob(entry.digest, MANIFEST_LIMIT)
        reference = Reference(host, repository.name, digest=entry.digest)
        is_listed = await registry.put_manifest(reference, content, entry.media_type)
        if not is_listed:
            await _list_referrer(registry, reference, content, entry)
        if entry.tag:
            await registry.put_manifest(Reference(host, repository.name, entry.tag), content, entry.media_type)


async def _list_referrer(registry: Registry, reference: Reference, content: bytes, entry: ManifestEntry) -> None:
    """List a referrer under the tag of its subject, for a registry without a list of referrers."""
    document = load_json(content, most_bytes=MANIFEST_LIMIT)
    subject = document.get("subject")
    if subject is None:
        return
    listed = {"mediaType": entry.media_type, "digest": entry.digest, "size": len(content), **listed_fields(document)}
    await Referrers(registry, Transfer(registry, concurrency=1)).list_by_tag(reference, str(subject["digest"]), listed)


def _in_order(entries: list[ManifestEntry]) -> Iterator[ManifestEntry]:
    """Yield images before the indexes that list them."""
    return iter(sorted(entries, key=lambda entry: entry.media_type in INDEXES))


async def _push_blob(backup: Backup, registry: Registry, reference: Reference, source: str | None) -> None:
    digest = reference.name
    if await registry.has_blob(reference, digest):
        return
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "blob"
        with path.open("wb") as file:
            file.writelines(backup.blob(digest))
        descriptor = Descriptor(media_type=BLOB, digest=digest, size=path.stat().st_size)
        await registry.put_blob(reference, Content(descriptor, path), Silent(), mount_from=source)


async def _names_another(registry: Registry, reference: Reference, digest: str) -> bool:
    """Return whether the registry has a tag with another digest. Raises BackupError."""
    try:
        content, _ = await registry.get_manifest(reference)
    except NotFoundError:
        return False
    except OrmbError as error:
        raise BackupError(f"{reference} cannot be read: {error}") from error
    return not matches(content, digest)
