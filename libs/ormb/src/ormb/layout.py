"""The local store: an OCI image layout under `$ORMB_ROOTPATH/store` (default `~/.ormb/store`)."""

import fcntl
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import mediatypes
from .digest import CHUNK, digest_bytes, hasher_for, hexadecimal
from .errors import DamagedStoreError, DigestMismatchError, NotFoundError, OrmbError, StoreInUseError
from .locks import shared_lock, try_lock
from .manifest import ModelManifest
from .packed import Content, PackedModel
from .reading import blob_digests, needed_config, parse_manifest
from .reference import Reference
from .space import remove_on_error, writing_to
from .stored import StoredModel

log = logging.getLogger(__name__)
STORE = "store"
"""Name of the directory of the local store. The Go `ormb` keeps its store, which has another layout, in `cache`."""


def default_root() -> Path:
    """Return the directory of ormb's store and credentials. Raises OrmbError for a user without a home directory."""
    try:
        return Path(os.environ.get("ORMB_ROOTPATH") or Path.home() / ".ormb")
    except RuntimeError as error:
        raise OrmbError("this user has no home directory: set $ORMB_ROOTPATH to a directory for ormb") from error


class LocalLayout:
    """An OCI image layout that several processes can use at the same time.

    Args:
        directory: created when the first model is stored.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lease = directory / ".in-use"

    def save(self, packed: PackedModel, reference: Reference) -> None:
        """Store a packed model under a reference. Files are verified while they are copied. Raises NoSpaceError."""
        with self.in_use():
            for content in (*packed.layers, packed.config):
                self._store(content)
            self.add_manifest(reference, packed.manifest)

    def add_manifest(self, reference: Reference, manifest: bytes) -> None:
        """Store a manifest whose blobs are in the store, under a reference.

        Raises:
            DamagedStoreError: a blob is missing, because another process has removed it.
        """
        digest = digest_bytes(manifest)
        descriptor = {
            "mediaType": mediatypes.OCI_MANIFEST,
            "digest": digest,
            "size": len(manifest),
            "annotations": {mediatypes.REF_NAME: str(reference)},
        }
        with self.in_use():
            if missing := [part for part in blob_digests(manifest) if not self.has_blob(part)]:
                raise DamagedStoreError(f"{', '.join(missing)} of {reference} is not in {self._directory}: try again")
            self._write_blob(digest, manifest)
            with self._index() as manifests:
                manifests[str(reference)] = descriptor

    def tag(self, source: Reference, target: Reference) -> None:
        """Add another name for a model. Raises NotFoundError."""
        with self.in_use():
            self.add_manifest(target, self.manifest_bytes(source))

    def remove(self, reference: Reference) -> None:
        """Remove a name, and all blobs that no other model uses. Raises NotFoundError.

        While another command uses the store, the blobs are kept until the next `remove` or `prune`.
        """
        with self._index() as manifests:
            if manifests.pop(str(reference), None) is None:
                raise NotFoundError(
                    f"{reference} is not in the local store, nothing to remove: `ormb models` lists what is there"
                )
            with try_lock(self._lease) as is_alone:
                if is_alone:
                    self._collect(manifests)

    def prune(self) -> int:
        """Remove blobs that no model uses, and the remains of interrupted transfers. Returns the number of bytes freed.

        Raises:
            StoreInUseError: another command uses the store; the blobs that it stores have no name yet.
            DamagedStoreError: the manifest of a model cannot be read, so that its blobs are unknown.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        with try_lock(self._lease) as is_alone:
            if not is_alone:
                raise StoreInUseError(
                    f"another command uses {self._directory}: nothing was removed, run `ormb prune` again when it ends"
                )
            with self._index() as manifests:
                freed = self._collect(manifests)
            return freed + self._clear_staging()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Prevent the removal of blobs while the block runs, for reading blobs and for storing blobs without a name."""
        with shared_lock(self._lease):
            yield

    def models(self) -> list[StoredModel]:
        """List the readable models in the store, sorted by name."""
        models = (self._readable(name, entry) for name, entry in sorted(self._read_index().items()))
        return [model for model in models if model is not None]

    def manifest_bytes(self, reference: Reference) -> bytes:
        """Return the manifest that a reference names. Raises NotFoundError."""
        entry = self._read_index().get(str(reference))
        if entry is None:
            raise _not_found(reference)
        return self.blob_path(str(entry["digest"])).read_bytes()

    def manifest(self, reference: Reference) -> ModelManifest:
        """Return the model that a reference names. Raises NotFoundError."""
        return self._parsed(str(reference), self.manifest_bytes(reference))

    def blob_path(self, digest: str) -> Path:
        """Return the path of a blob, whether or not it exists."""
        algorithm, _, hexdigits = digest.partition(":")
        return self._directory / "blobs" / algorithm / hexdigits

    def has_blob(self, digest: str) -> bool:
        """Return whether a blob is in the store. It is then complete, since blobs are renamed into place."""
        return self.blob_path(digest).exists()

    def copy_blob_to(self, digest: str, path: Path) -> None:
        """Copy a blob to a new file, and verify it.

        Raises:
            DigestMismatchError: the stored blob is damaged.
        """
        hasher = hasher_for(digest)
        with self.blob_path(digest).open("rb") as blob, path.open("wb") as file:
            while chunk := blob.read(CHUNK):
                hasher.update(chunk)
                file.write(chunk)
        if hasher.hexdigest() != hexadecimal(digest):
            raise DigestMismatchError(
                f"{digest} is damaged in the local store: `ormb remove` the model and pull it again"
            )

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Yield a directory for incomplete blobs; with those of an earlier process that has exited."""
        directory = self.staging() / "partial"
        directory.mkdir(exist_ok=True)
        with try_lock(directory / ".lock") as is_ours:
            if is_ours:
                yield directory
                return
            with tempfile.TemporaryDirectory(dir=self.staging()) as temporary:
                yield Path(temporary)

    def staging(self) -> Path:
        """Yield a directory on the same file system, for files that are then renamed into place."""
        path = self._directory / "ingest"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _store(self, content: Content) -> None:
        digest = content.descriptor.digest
        if isinstance(content.source, bytes):
            self._write_blob(digest, content.source)
        elif not self.has_blob(digest):
            self._copy_blob(digest, content.source)

    def _copy_blob(self, digest: str, source: Path) -> None:
        hasher = hasher_for(digest)
        with self._incoming(digest) as file, source.open("rb") as origin:
            while chunk := origin.read(CHUNK):
                hasher.update(chunk)
                file.write(chunk)
            if hasher.hexdigest() != hexadecimal(digest):
                raise DigestMismatchError(f"{source} changed while it was being saved: save again")

    def _write_blob(self, digest: str, data: bytes) -> None:
        if not self.has_blob(digest):
            with self._incoming(digest) as file:
                file.write(data)

    @contextmanager
    def _incoming(self, digest: str) -> Iterator[Any]:
        """Yield a file that becomes the blob if the block succeeds."""
        target = self.blob_path(digest)
        with self.in_use(), writing_to(self._directory):
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.staging(), delete=False) as file, remove_on_error(file.name):
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(target)

    @contextmanager
    def _index(self) -> Iterator[dict[str, dict[str, Any]]]:
        """Yield the names in the index, by reference. The index is replaced atomically if the block succeeds."""
        with writing_to(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
            (self._directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
            with (self._directory / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                manifests = self._read_index()
                yield manifests
                self._write_index(manifests)

    def _write_index(self, manifests: dict[str, dict[str, Any]]) -> None:
        index = {
            "schemaVersion": 2,
            "mediaType": mediatypes.OCI_INDEX,
            "manifests": [manifests[name] for name in sorted(manifests)],
        }
        new = self._directory / "index.json.new"
        with remove_on_error(new), new.open("w") as file:
            file.write(json.dumps(index, indent=2))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._directory / "index.json")

    def _read_index(self) -> dict[str, dict[str, Any]]:
        path = self._directory / "index.json"
        if not path.exists():
            return {}
        try:
            manifests = json.loads(path.read_text())["manifests"]
            return {entry["annotations"][mediatypes.REF_NAME]: entry for entry in manifests}
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedStoreError(
                f"{path} is damaged: remove {self._directory}, then save or pull the models again"
            ) from error

    def _collect(self, manifests: dict[str, dict[str, Any]]) -> int:
        needed, freed = self._needed(manifests), 0
        for path in (self._directory / "blobs").glob("*/*"):
            if f"{path.parent.name}:{path.name}" not in needed:
                freed += path.stat().st_size
                path.unlink()
        return freed

    def _needed(self, manifests: dict[str, dict[str, Any]]) -> set[str]:
        needed: set[str] = set()
        for name, entry in manifests.items():
            try:
                needed.update((entry["digest"], *blob_digests(self.blob_path(entry["digest"]).read_bytes())))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise DamagedStoreError(
                    f"the manifest of {name} in {self._directory} is missing or damaged, so no blob was removed: "
                    f"`ormb remove {name}`, or save or pull it again"
                ) from error
        return needed

    def _clear_staging(self) -> int:
        freed = 0
        for path in self.staging().rglob("*"):
            if path.is_file():
                freed += path.stat().st_size
                path.unlink()
        return freed

    def _readable(self, name: str, entry: dict[str, Any]) -> StoredModel | None:
        try:
            return self._stored(name, entry)
        except (OrmbError, OSError, KeyError, TypeError) as error:
            log.warning("%s in %s is passed over: %s", name, self._directory, error)
            return None

    def _stored(self, name: str, entry: dict[str, Any]) -> StoredModel:
        path = self.blob_path(entry["digest"])
        return StoredModel(Reference.parse(name), self._parsed(name, path.read_bytes()), path.stat().st_mtime)

    def _parsed(self, name: str, manifest: bytes) -> ModelManifest:
        config = needed_config(manifest)
        has_config = config is not None and self.has_blob(config.digest)
        content = self.blob_path(config.digest).read_bytes() if config and has_config else None
        parsed = parse_manifest(manifest, content)
        if parsed is None:
            raise NotFoundError(f"{name} in {self._directory} is not a model: `ormb remove {name}`")
        return parsed


def _not_found(reference: Reference) -> NotFoundError:
    return NotFoundError(
        f"{reference} is not in the local store: `ormb save DIR {reference}` or `ormb pull {reference}` first; "
        "`ormb models` lists what is there"
    )
