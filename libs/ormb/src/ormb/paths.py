"""Validates names of files in artifacts; pure."""

from pathlib import PurePosixPath, PureWindowsPath

from .errors import UnsafePathError


def safe_path(name: str) -> PurePosixPath:
    """Return the path of a file below a directory. Backslashes, as written on Windows, separate directories.

    Raises:
        UnsafePathError: the path is outside the directory.
    """
    path = PurePosixPath(name)
    if "\\" in name:
        windows = PureWindowsPath(name)
        path = PurePosixPath("/" if windows.anchor else "", *windows.parts)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise UnsafePathError(f"the artifact names the file {name!r}, outside the destination: it is not exported")
    return path


def below(path: PurePosixPath, directory: str) -> PurePosixPath | None:
    """Return the path relative to a directory; None if it is outside, or the directory itself."""
    if directory:
        if not path.is_relative_to(directory):
            return None
        path = path.relative_to(directory)
    return path if path.parts else None
