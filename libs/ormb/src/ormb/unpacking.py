"""Archives to files, without trust: no way out of the directory, no devices, no bombs."""

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, cast

from .decompressing import plain_bytes
from .errors import UnsafePathError, UnsupportedArtifactError
from .layouts.layout import LayerFiles
from .space import writing_to

MAX_ENTRIES = 100_000
WHITEOUT = ".wh."
"""An image layer removes what an earlier one had by a file whose name begins so (OCI image-spec, layer.md)."""


def unpack(source: Path, files: LayerFiles, destination: Path) -> list[PurePosixPath]:
    """Write the entries of an archive below a directory; the paths of those that are no directories.

    Raises:
        UnsafePathError: an entry leaves the directory, or is a link out of it, a device or a pipe.
        UnsupportedArtifactError: the archive is damaged, or unpacks to far more than its size.
        DigestMismatchError: its bytes are not those that the artifact declares.
    """
    root = destination / files.target if files.target else destination
    try:
        with (
            writing_to(destination),
            plain_bytes(source, files) as plain,
            tarfile.open(fileobj=plain, mode="r|") as archive,
        ):
            return _unpack(archive, files, root)
    except (tarfile.TarError, OSError) as error:
        raise UnsupportedArtifactError(f"layer {files.descriptor.digest} cannot be unpacked: {error}") from error


def decompress(source: Path, files: LayerFiles, target: Path) -> None:
    """Write a layer that is one compressed file. Raises as `unpack`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with writing_to(target.parent), plain_bytes(source, files) as plain, target.open("wb") as file:
        shutil.copyfileobj(plain, file)


def safe_path(name: str) -> PurePosixPath:
    """The path of a file below a directory. Raises UnsafePathError."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or set(name) & {"\\", "\0"}:
        raise UnsafePathError(f"the artifact names the file {name!r}, outside the destination: it is not exported")
    return path


def _unpack(archive: tarfile.TarFile, files: LayerFiles, root: Path) -> list[PurePosixPath]:
    written = []
    for count, member in enumerate(archive):
        if count >= MAX_ENTRIES:
            raise UnsupportedArtifactError(
                f"layer {files.descriptor.digest} has more than {MAX_ENTRIES} entries: it is refused"
            )
        path = _below(safe_path(member.name), files.below)
        if path is not None:
            _write(archive, member, path, root, files.below)
            if not member.isdir():
                written.append(path)
    return written


def _below(path: PurePosixPath, directory: str) -> PurePosixPath | None:
    """The path without the directory; None where it is elsewhere, or the directory itself."""
    if directory:
        if not path.is_relative_to(directory):
            return None
        path = path.relative_to(directory)
    return path if path.parts else None


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: PurePosixPath, root: Path, below: str) -> None:
    target = root / path
    if below and path.name.startswith(WHITEOUT):
        _remove(target.with_name(path.name.removeprefix(WHITEOUT)))
    elif member.isdir():
        target.mkdir(parents=True, exist_ok=True)
    elif member.isreg():
        target.parent.mkdir(parents=True, exist_ok=True)
        with cast("IO[bytes]", archive.extractfile(member)) as content, target.open("wb") as file:
            shutil.copyfileobj(content, file)
        target.chmod(0o755 if member.mode & 0o100 else 0o644)
    elif member.issym() or member.islnk():
        _link(member, target, root, below)
    else:
        raise UnsafePathError(f"the archive holds {member.name!r}, neither a file nor a directory: it is not exported")


def _link(member: tarfile.TarInfo, target: Path, root: Path, below: str) -> None:
    """A link to a file that was unpacked becomes that file: nothing on disk points anywhere."""
    start = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
    aim = os.path.normpath(start / member.linkname)
    path = _below(safe_path(aim), below)
    if path is None or not (root / path).is_file():
        raise UnsafePathError(
            f"the archive links {member.name!r} to {member.linkname!r}, which is no file of the model: "
            "it is not exported"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.hardlink_to(root / path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
