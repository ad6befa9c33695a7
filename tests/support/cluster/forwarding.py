"""Starts forwarders (see `forwarder.py`) that run as long as this process needs them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.net_namespace import NetNamespace

TESTS = Path(__file__).parents[2]


@contextmanager
def forwarder(descriptor: int, host: str, port: int, *, inside: NetNamespace | None = None) -> Iterator[None]:
    """Forwards the connections of a listening socket.

    Args:
        descriptor: descriptor of the socket.
        host: the address to connect to.
        port: port of that address.
        inside: the network namespace of that address; that of this process by default.
    """
    command = (sys.executable, "-m", "support.cluster.forwarder", str(descriptor), host, str(port))
    process = subprocess.Popen(
        inside.command(*command) if inside else command,
        stdin=subprocess.PIPE,
        pass_fds=(descriptor,),
        env=environment(),
    )
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def environment() -> dict[str, str]:
    """The environment of a process that imports the tests' support."""
    return os.environ | {"PYTHONPATH": str(TESTS)}
