"""Packs a model directory in the layout of the Go `ormb`: a reproducible gzipped tar."""

import gzip
import hashlib
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from isal import igzip

from .contents import Contents
from .digest import digest_bytes
from .errors import InvalidModelDirectoryError
from .layouts import ormb_v1alpha1
from .limits import CONFIG_LIMIT, MAX_ENTRIES, plain_limit
from .manifest import Descriptor
from .modelfile import ModelFile
from .packed import Content, PackedModel

COMPRESSION = 1
"""Compression level of isal: twenty times faster than zlib, and weights hardly compress at any level."""


@contextmanager
def archives_directory(root: Path, layout: str) -> Iterator[Path | None]:
    """Yield a temporary directory for the archive if the layout has one, else None."""
    if layout != ormb_v1alpha1.ORMB_V1ALPHA1.name:
        yield None
        return
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix="archive-") as directory:
        yield Path(directory)


def pack_archive(modelfile: ModelFile, contents: Contents, root: Path, archives: Path) -> PackedModel:
    """Pack files into an archive, which is hashed while it is written.

    Args:
        modelfile: the author's metadata.
        contents: the files to pack.
        root: the model directory; names in the archive are relative to it.
        archives: directory for the archive, which the caller removes.

    Raises:
        InvalidModelDirectoryError: the archive would have too many files to be exported again.
    """
    names = [path.relative_to(root).as_posix() for path in contents.files]
    config = ormb_v1alpha1.build_config(modelfile, names)
    if len(names) + len(contents.empty_directories) > MAX_ENTRIES or len(config) > CONFIG_LIMIT:
        raise InvalidModelDirectoryError(
            f"{root} has {len(names)} files, and {len(contents.empty_directories)} empty directories: more than an "
            f"archive may have ({MAX_ENTRIES}, whose names fit into {CONFIG_LIMIT} bytes). Pack some of them yourself"
        )
    layer = _archive(contents, root, archives)
    described = Descriptor(media_type=ormb_v1alpha1.CONFIG, digest=digest_bytes(config), size=len(config))
    return PackedModel(
        modelfile=modelfile,
        manifest=ormb_v1alpha1.build_manifest(described, layer.descriptor),
        config=Content(described, config),
        layers=(layer,),
    )


def _archive(contents: Contents, root: Path, directory: Path) -> Content:
    """Write the archive compressed, or uncompressed if its ratio is so high that an export would reject it."""
    content, plain_size = _written(contents, root, directory, _compressed)
    if plain_size > plain_limit(content.descriptor.size):
        content, _ = _written(contents, root, directory, _stored)
    return content


def _written(
    contents: Contents, root: Path, directory: Path, packed_into: Callable[["_Hashed"], IO[bytes]]
) -> tuple[Content, int]:
    """Return the archive and its uncompressed size."""
    with tempfile.NamedTemporaryFile(dir=directory, suffix=".tar.gz", delete=False) as file:
        hashed = _Hashed(file)
        with (
            packed_into(hashed) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path in contents.files:
                _add(archive, path.relative_to(root).as_posix(), path)
            for path in contents.empty_directories:
                archive.addfile(_directory(path.relative_to(root).as_posix()))
    descriptor = Descriptor(
        media_type=ormb_v1alpha1.LAYER, digest=f"sha256:{hashed.hasher.hexdigest()}", size=hashed.size
    )
    return Content(descriptor, Path(file.name)), archive.offset


def _compressed(file: "_Hashed") -> IO[bytes]:
    packed = igzip.IGzipFile("", "wb", COMPRESSION, file, 0)  # type: ignore[no-untyped-call] # it has no types
    return cast("IO[bytes]", packed)


def _stored(file: "_Hashed") -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile("", "wb", 0, cast("IO[bytes]", file), 0))


def _directory(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    return member


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    """Add a file or directory. Owner and time are constant, so that the digest is the same on all machines."""
    member = tarfile.TarInfo(name)
    status = path.stat()
    member.size = status.st_size
    member.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    with path.open("rb") as content:
        archive.addfile(member, content)


class _Hashed:
    """A file that is hashed while it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.hasher.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()
