"""Saves the content of the embedded registry, and restores it into an empty data directory.

The data directory has an OCI image layout for each repository, `repositories/<name>/_oci`, whose blobs are hard links
to `pool/<algorithm>/<hex>`. See `klever_registry.adapters.local.layout`.
"""

import hashlib
import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from kleverkit.durable import make_directory

from .errors import BackupError
from .members import DIGEST_LIST, Repository, blob_name, blobs_name, index_name
from .oci import MANIFEST_LIMIT, referenced_blobs
from .reading import Backup
from .writing import Archive

LAYOUT = "_oci"
INDEX = "index.json"
INDEXED = "_indexed"
"""Marker of a repository that has an index.json."""
LAYOUT_FILE = b'{"imageLayoutVersion":"1.0.0"}'
TRIES = 5


def save_models(registry: Path, archive: Archive) -> None:
    """Add all repositories with their blobs.

    The index of a repository is read before its blobs. What is pushed meanwhile is not included. If a version is
    deleted meanwhile, the index is read again.

    Raises:
        BackupError: an index, a manifest or a blob is missing or damaged.
    """
    for name in _repositories(registry):
        for _ in range(TRIES):
            index = _index(registry, name)
            try:
                blobs = _add_blobs(_layout(registry, name) / "blobs", index, archive)
            except FileNotFoundError as error:
                missing = f"{Path(error.filename).parent.name}:{Path(error.filename).name}"
                if _index(registry, name) == index:
                    raise BackupError(
                        f"{name} refers to {missing}, which is missing in {registry}: push the model again or delete "
                        "it, then create the backup again"
                    ) from error
            else:
                archive.add(index_name(name), index)
                archive.add(blobs_name(name), DIGEST_LIST.dump_json(blobs))
                break
        else:
            raise BackupError(f"{name} changes too fast: create the backup again")


def restore_models(backup: Backup, registry: Path) -> None:
    """Write all repositories into an empty data directory. Raises BackupError, OSError."""
    pool = registry / "pool"
    repositories = list(backup.repositories())
    for digest in {digest for repository in repositories for digest in repository.blobs}:
        path = _blob(pool, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.writelines(backup.blob(digest))
            file.flush()
            os.fsync(file.fileno())
    for repository in repositories:
        _write_repository(registry, pool, repository)


def _write_repository(registry: Path, pool: Path, repository: Repository) -> None:
    layout = _layout(registry, repository.name)
    make_directory(layout)
    for digest in repository.blobs:
        target = _blob(layout / "blobs", digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(_blob(pool, digest), target)
    (layout / "oci-layout").write_bytes(LAYOUT_FILE)
    (layout / INDEX).write_bytes(repository.index)
    (layout / INDEXED).write_bytes(b"")


def _repositories(registry: Path) -> Iterator[str]:
    """Yield the names of all repositories that have an index, or have lost it."""
    root = registry / "repositories"
    for folder, folders, files in os.walk(root):
        if Path(folder).name == LAYOUT:
            folders.clear()
            if {INDEX, INDEXED} & {*files}:
                yield str(Path(folder).parent.relative_to(root))
        else:
            folders[:] = sorted(name for name in folders if name == LAYOUT or not name.startswith("_"))


def _index(registry: Path, name: str) -> bytes:
    try:
        return (_layout(registry, name) / INDEX).read_bytes()
    except OSError as error:
        raise BackupError(
            f"the index of {name} cannot be read ({error.strerror}): restore it first, see `Data loss` in "
            "docs/operations.md"
        ) from error


def _add_blobs(directory: Path, index: bytes, archive: Archive) -> tuple[str, ...]:
    """Add the blobs of a repository, except those that another one has added. Raises FileNotFoundError, BackupError."""

    def manifest(digest: str) -> bytes:
        with _opened(_blob(directory, digest)) as file:
            return file.read(MANIFEST_LIMIT + 1)

    digests = tuple(sorted(referenced_blobs(index, manifest)))
    for digest in digests:
        name = blob_name(digest)
        if archive.has(name):
            continue
        with _opened(_blob(directory, digest)) as file:
            archive.add_file(name, file, os.fstat(file.fileno()).st_size)
            if _digest(file, digest, archive.digest(name)) != digest:
                raise BackupError(
                    f"the blob {digest} in {directory} is damaged: push its model again or delete it, then create the "
                    "backup again"
                )
    return digests


def _digest(file: BufferedReader, expected: str, sha256: str) -> str:
    """Return the digest of a file by the algorithm of the expected one; its SHA-256 digest is known."""
    algorithm = expected.partition(":")[0]
    if algorithm == "sha256":
        return f"sha256:{sha256}"
    file.seek(0)
    return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _opened(path: Path) -> BufferedReader:
    """Open a blob. Raises FileNotFoundError, BackupError."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}") from error


def _layout(registry: Path, name: str) -> Path:
    return registry / "repositories" / name / LAYOUT


def _blob(directory: Path, digest: str) -> Path:
    algorithm, _, name = digest.partition(":")
    return directory / algorithm / name
