"""A process that works inside the network namespace of a cluster."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NETWORK = 0x40000000
"""CLONE_NEWNET, setns(2). Python has `os.setns` from 3.12 on."""


@contextmanager
def network_of(namespace: Path) -> Iterator[None]:
    """Moves the calling thread into a network namespace: its sockets, and every process that it starts, are there."""
    with Path("/proc/thread-self/ns/net").open("rb") as before, namespace.open("rb") as inside:
        _enter(inside.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, NETWORK) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
