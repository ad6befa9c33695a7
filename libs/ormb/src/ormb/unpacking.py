"""Archives to files, without trust: no way out of the directory, no devices, no bombs."""

import gzip
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, cast

import zstandard

from .errors import UnsafePathError, UnsupportedArtifactError
from .layouts.layout import Archive, LayerFiles
from .space import writing_to

FREE_RATIO, FREE_BYTES = 200, 64 * 1024 * 1024
"""An archive may unpack to 200 times its size, and 64 MiB more: weights hardly compress at all."""
MAX_ENTRIES = 100_000
WHITEOUT = ".wh."
"""An image layer removes what an earlier one had by a file whose name begins so (OCI image-spec, layer.md)."""


def unpack(source: Path, files: LayerFiles, destination: Path) -> None:
    """Write the entries of an archive below a directory.

    Raises:
        UnsafePathError: an entry leaves the directory, or is a link out of it, a device or a pipe.
        UnsupportedArtifactError: the archive is damaged, or unpacks to far more than its size.
    """
    root = destination / files.target if files.target else destination
    try:
        with (
            writing_to(destination),
            source.open("rb") as packed,
            _stream(packed, files.archive) as plain,
            tarfile.open(fileobj=plain, mode="r|") as archive,
        ):
            _unpack(archive, files, root)
    except (tarfile.TarError, EOFError, OSError, zstandard.ZstdError) as error:
        raise UnsupportedArtifactError(f"layer {files.descriptor.digest} cannot be unpacked: {error}") from error


def safe_path(name: str) -> PurePosixPath:
    """The path of a file below a directory. Raises UnsafePathError."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or set(name) & {"\\", "\0"}:
        raise UnsafePathError(f"the artifact names the file {name!r}, outside the destination: it is not exported")
    return path


def _unpack(archive: tarfile.TarFile, files: LayerFiles, root: Path) -> None:
    budget = files.descriptor.size * FREE_RATIO + FREE_BYTES
    for count, member in enumerate(archive):
        budget -= max(member.size, 0)
        if budget < 0 or count >= MAX_ENTRIES:
            raise UnsupportedArtifactError(
                f"layer {files.descriptor.digest} of {files.descriptor.size} bytes unpacks to far more: it is refused"
            )
        path = _below(safe_path(member.name), files.below)
        if path is not None:
            _write(archive, member, path, root, files.below)


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


def _stream(packed: IO[bytes], archive: Archive | None) -> IO[bytes]:
    if archive is Archive.TAR_GZIP:
        return cast("IO[bytes]", gzip.GzipFile(fileobj=packed))
    if archive is Archive.TAR_ZSTD:
        return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(packed))
    return packed
