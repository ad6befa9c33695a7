"""The layout of the Go `ormb`: a model directory as one gzipped tar, always the same for the same files."""

import hashlib
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from isal import igzip

from .digest import digest_bytes
from .layouts import ormb_v1alpha1
from .manifest import Descriptor
from .modelfile import ModelFile
from .packed import Content, PackedModel

COMPRESSION = 1
"""Of isal: twenty times faster than zlib, and weights hardly compress at any level."""


@contextmanager
def archives_directory(root: Path, layout: str) -> Iterator[Path | None]:
    """Where files are packed into one archive, for the layout that wants that; gone afterwards."""
    if layout != ormb_v1alpha1.ORMB_V1ALPHA1.name:
        yield None
        return
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix="archive-") as directory:
        yield Path(directory)


def pack_archive(modelfile: ModelFile, files: list[Path], root: Path, archives: Path) -> PackedModel:
    """Pack files into an archive that is hashed while it is written.

    Args:
        modelfile: what the author says.
        files: in the order in which they are packed.
        root: the model's directory; names in the archive are relative to it.
        archives: the archive is written here, and is the caller's to remove.
    """
    names = [path.relative_to(root).as_posix() for path in files]
    layer = _archive(dict(zip(names, files, strict=True)), archives)
    config = ormb_v1alpha1.build_config(modelfile, names)
    described = Descriptor(media_type=ormb_v1alpha1.CONFIG, digest=digest_bytes(config), size=len(config))
    return PackedModel(
        modelfile=modelfile,
        manifest=ormb_v1alpha1.build_manifest(described, layer.descriptor),
        config=Content(described, config),
        layers=(layer,),
    )


def _archive(files: dict[str, Path], directory: Path) -> Content:
    with tempfile.NamedTemporaryFile(dir=directory, suffix=".tar.gz", delete=False) as file:
        hashed = _Hashed(file)
        with (
            igzip.IGzipFile("", "wb", COMPRESSION, hashed, 0) as packed,  # type: ignore[no-untyped-call] # it has none
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, path in files.items():
                _add(archive, name, path)
    descriptor = Descriptor(
        media_type=ormb_v1alpha1.LAYER, digest=f"sha256:{hashed.hasher.hexdigest()}", size=hashed.size
    )
    return Content(descriptor, Path(file.name))


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    """Owner and time are constant: they would make the digest depend on whose machine it was."""
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
