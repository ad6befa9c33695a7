"""Where Envoy's admin interface listens: a Unix socket that only its owner reaches."""

import tempfile
from pathlib import Path

LONGEST_PATH = 100
"""Bytes; the address of a Unix socket holds a few more."""


def admin_socket(directory: Path) -> Path:
    """A path for the socket, in a directory that other users cannot enter.

    Args:
        directory: of Envoy's files; a directory of temporary files takes its place where its path is too long.
    """
    private = directory / "admin"
    if len(str(private.absolute()).encode()) > LONGEST_PATH - len("/socket"):
        return Path(tempfile.mkdtemp(prefix="klever-envoy-")) / "socket"
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    private.chmod(0o700)
    return private.absolute() / "socket"
