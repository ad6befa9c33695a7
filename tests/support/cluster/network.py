"""The network of a cluster: its interface, and sockets that belong to its namespace."""

import ctypes
import os
import socket
import subprocess
from pathlib import Path

from .layout import GATEWAY, NODE_ADDRESS

NEW_NETWORK = 0x40000000
"""CLONE_NEWNET, setns(2). Python has `os.setns` from 3.12 on."""
LINK, PEER = "node0", "node0peer"


def create_interfaces() -> None:
    """Gives the network namespace of this process an address, and a default route that no host answers.

    kubelet and the API server need a default route to start.
    """
    for command in (
        f"ip link add {LINK} type veth peer name {PEER}",
        *(f"ip link set {name} up" for name in ("lo", PEER)),
        f"ip addr add {NODE_ADDRESS}/24 dev {LINK}",
        f"ip link set {LINK} up",
        f"ip route add default via {GATEWAY} dev {LINK}",
    ):
        subprocess.run(command.split(), check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def listener_on_host() -> socket.socket:
    """A socket that listens on a free port of the loopback address of the calling process's network namespace."""
    return socket.create_server(("127.0.0.1", 0))


def listener_in_namespace(holder: int) -> socket.socket:
    """A socket that listens on a free port of the node's address. A socket stays in the namespace of its creation.

    Args:
        holder: the ID of a process in the namespace.
    """
    with Path("/proc/thread-self/ns/net").open("rb") as own, Path(f"/proc/{holder}/ns/net").open("rb") as other:
        _enter(other.fileno())
        try:
            return socket.create_server((NODE_ADDRESS, 0))
        finally:
            _enter(own.fileno())


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
