"""Unpacks untrusted archives: no paths outside the directory, no devices, no decompression bombs."""

import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, cast

from .bounded_tar import entries
from .decompressing import plain_bytes
from .errors import UnsafePathError, UnsupportedArtifactError
from .layouts.layout import LayerFiles
from .linking import Link, Links, aim_of
from .paths import below, safe_path
from .space import writing_to

WHITEOUT = ".wh."
"""Prefix of file names with which an image layer removes files of earlier layers (OCI image-spec, layer.md)."""


def unpack(source: Path, files: LayerFiles, destination: Path, links: Links) -> list[PurePosixPath]:
    """Write the entries of an archive below a directory. Returns the paths of its files.

    Args:
        source: the layer's blob.
        files: the layer.
        destination: the directory that contains the layer's target.
        links: receives the links of the archive.

    Raises:
        UnsafePathError: an entry is outside the directory, or is a device or a pipe.
        UnsupportedArtifactError: the archive is damaged, or unpacks to far more than its size.
        DigestMismatchError: its bytes do not match the digest that the artifact declares.
    """
    root = destination / files.target if files.target else destination
    try:
        with writing_to(destination), plain_bytes(source, files) as plain:
            return [
                path
                for archive, member in entries(plain)
                if (path := below(safe_path(member.name), files.below)) is not None
                and _write(archive, member, root / path, files, links)
            ]
    except (tarfile.TarError, OSError) as error:
        raise UnsupportedArtifactError(f"layer {files.descriptor.digest} cannot be unpacked: {error}") from error


def decompress(source: Path, files: LayerFiles, target: Path) -> None:
    """Write a layer that is one compressed file. Raises the errors of `unpack`."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with writing_to(target.parent), plain_bytes(source, files) as plain, target.open("wb") as file:
            shutil.copyfileobj(plain, file)
    except OSError as error:
        raise UnsupportedArtifactError(f"layer {files.descriptor.digest} cannot be unpacked: {error}") from error


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, files: LayerFiles, links: Links) -> bool:
    """Write an entry. Returns whether it is a file that exists now."""
    if files.below and target.name.startswith(WHITEOUT):
        removed = target.with_name(target.name.removeprefix(WHITEOUT))
        links.discard_below(removed)
        _remove(removed)
    elif member.isdir():
        links.discard(target)
        target.mkdir(parents=True, exist_ok=True)
    elif member.isreg():
        links.discard(target)
        _write_file(cast("IO[bytes]", archive.extractfile(member)), member, target)
        return True
    elif member.issym() or member.islnk():
        link = Link(
            files, member.name, member.linkname, aim_of(member.name, member.linkname, is_symbolic=member.issym())
        )
        if member.islnk() and links.copy_now(target, link):
            return True
        links.add(target, link)
    else:
        raise UnsafePathError(f"the archive holds {member.name!r}, neither a file nor a directory: it is not exported")
    return False


def _write_file(content: IO[bytes], member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
