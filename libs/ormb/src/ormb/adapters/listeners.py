"""Finds the owner of the server on a port of this machine, which may be another user's while this user's is down."""

import os
import sys
from pathlib import Path

TABLE = Path("/proc/net/tcp")
LISTENS = "0A"
ROOT = 0
LOOPBACK = int.from_bytes(bytes((127, 0, 0, 1)), sys.byteorder)


def is_ours(port: int, table: Path = TABLE) -> bool:
    """Return whether a server of this user listens on 127.0.0.1; True if the system does not provide this information.

    Only Linux provides it, in `/proc`.
    """
    try:
        sockets = table.read_text("ascii")
    except OSError:
        return True
    return is_held_by(os.geteuid(), port, sockets)


def is_held_by(user: int, port: int, table: str) -> bool:
    """Like `is_ours`, from the kernel's table of IPv4 sockets (proc_net_tcp); pure.

    Servers of root count as well, since root can read all data anyway. Servers on all addresses do not count: they
    receive connections to 127.0.0.1 only while no other process listens there.
    """
    address = f"{LOOPBACK:08X}:{port:04X}"
    rows = (line.split() for line in table.splitlines() if address in line)  # cheap filter before parsing
    owners = {int(row[7]) for row in rows if row[1] == address and row[3] == LISTENS}
    return bool(owners) and owners <= {user, ROOT}
