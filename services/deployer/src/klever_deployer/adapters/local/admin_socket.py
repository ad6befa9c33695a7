"""The Unix socket of Envoy's admin interface, which only its owner can reach."""

import tempfile
from pathlib import Path

LONGEST_PATH = 100
"""Bytes; the limit for the address of a Unix socket is slightly larger."""


def admin_socket(directory: Path) -> Path:
    """The path of the socket, in a directory that other users cannot enter.

    Args:
        directory: the directory of Envoy's files; if its path is too long, a temporary directory is used instead.
    """
    private = directory / "admin"
    if len(str(private.absolute()).encode()) > LONGEST_PATH - len("/socket"):
        return Path(tempfile.mkdtemp(prefix="klever-envoy-")) / "socket"
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    private.chmod(0o700)
    return private.absolute() / "socket"
