"""Lists the contents of a model directory for packing; entries that cannot be exported again are rejected."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import InvalidModelDirectoryError

COPY = (
    "copy the target to this place. `cp -rL` copies a directory with the targets of its links; "
    "`hf download --local-dir` creates no links"
)


@dataclass(frozen=True)
class Contents:
    """Paths below the directory, in the same order on all machines.

    Attributes:
        files: regular files, and links to regular files.
        empty_directories: directories without entries.
    """

    files: tuple[Path, ...]
    empty_directories: tuple[Path, ...]

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        return sum(path.stat().st_size for path in self.files)


def contents_of(directory: Path) -> Contents:
    """List the contents of a directory, which can be a symbolic link.

    Raises:
        InvalidModelDirectoryError: a link points outside the directory, to a directory, to nothing or to itself; an
            entry is neither a file nor a directory, or has a name that other systems interpret differently.
        OSError: a directory cannot be read.
    """
    files, empty = [], []
    real = directory.resolve()
    for path, is_empty in _entries(directory):
        _check_name(path)
        if path.is_symlink():
            _check_link(path, real)
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            files.append(path)
        elif not stat.S_ISDIR(mode):
            raise InvalidModelDirectoryError(f"{path} is neither a file nor a directory: remove it")
        elif is_empty:
            empty.append(path)

    def name(path: Path) -> str:
        return path.relative_to(directory).as_posix()

    return Contents(tuple(sorted(files, key=name)), tuple(sorted(empty, key=name)))


def _entries(directory: Path) -> Iterator[tuple[Path, bool]]:
    """Yield each path below, with True for an empty directory."""
    for parent, directories, files in os.walk(directory, onerror=_raise):
        if Path(parent) != directory:
            yield Path(parent), not directories and not files
        links = [name for name in directories if (Path(parent) / name).is_symlink()]
        yield from ((Path(parent) / name, False) for name in (*links, *files))


def _check_name(path: Path) -> None:
    if "\\" in path.name:
        raise InvalidModelDirectoryError(
            f"{path} has a backslash in its name, which other systems interpret as a directory separator: rename it"
        )
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        raise InvalidModelDirectoryError(f"{os.fsencode(path)!r} has a name that is not UTF-8: rename it") from error


def _check_link(path: Path, directory: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except FileNotFoundError as error:
        raise InvalidModelDirectoryError(f"{path} links to {path.readlink()}, which does not exist: {COPY}") from error
    except (OSError, RuntimeError) as error:
        raise InvalidModelDirectoryError(f"{path} links to itself: remove it") from error
    if not target.is_relative_to(directory):
        raise InvalidModelDirectoryError(f"{path} links to a file outside the model, {target}: {COPY}")
    if target.is_dir():
        raise InvalidModelDirectoryError(f"{path} links to a directory: {COPY}")


def _raise(error: OSError) -> None:
    raise error
