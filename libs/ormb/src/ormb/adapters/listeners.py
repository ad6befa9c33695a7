"""Whose server listens on a port of this machine: another user's may, while that of this user is away."""

import os
import sys
from pathlib import Path

TABLE = Path("/proc/net/tcp")
LISTENS = "0A"
ROOT = 0
LOOPBACK = int.from_bytes(bytes((127, 0, 0, 1)), sys.byteorder)


def is_ours(port: int, table: Path = TABLE) -> bool:
    """Whether a server of this user listens on 127.0.0.1. Where the kernel does not say so it is taken to be.

    Only Linux does, where `/proc` is mounted.
    """
    try:
        sockets = table.read_text("ascii")
    except OSError:
        return True
    return is_held_by(os.geteuid(), port, sockets)


def is_held_by(user: int, port: int, table: str) -> bool:
    """The same, as the kernel's table of IPv4 sockets has it (proc_net_tcp); pure.

    Root's counts, who reads everything anyway. A server on every address does not count: it hears what comes to
    127.0.0.1 only while nobody listens there.
    """
    address = f"{LOOPBACK:08X}:{port:04X}"
    rows = (line.split() for line in table.splitlines() if address in line)  # of thousands, few need to be taken apart
    owners = {int(row[7]) for row in rows if row[1] == address and row[3] == LISTENS}
    return bool(owners) and owners <= {user, ROOT}
