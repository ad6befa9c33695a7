"""Finding ports, and saying who holds one."""

import socket

import psutil

from klever.errors import PlatformError

from .plan import HOST, Ports

PUBLIC = ("gateway", "registry", "ingress", "nats")


def chosen(wanted: Ports, *, fall_back: bool = False) -> tuple[Ports, tuple[str, ...]]:
    """Ports that are free now, and the names of those that had to differ from what was wanted.

    Args:
        wanted: 0 is any free port.
        fall_back: take another port where the wanted one is held.

    Raises:
        PlatformError: a wanted port is held, and `fall_back` is off.
    """
    found, moved = wanted, []
    for name in Ports.names():
        number = getattr(wanted, name)
        if number and not is_free(number):
            if not fall_back:
                raise PlatformError(_held(name, number))
            moved.append(name)
            number = 0
        found = found.with_port(name, number or free_port())
    return found, tuple(moved)


def is_free(port: int) -> bool:
    """Whether this process could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _held(name: str, port: int) -> str:
    return (
        f"port {port}, wanted for the {name}, is held{_holder(port)}: stop that, or choose another with "
        f"--port {name}={port + 1}, or any free ones with --ports auto"
    )


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.pid
            if listens and connection.laddr[1:] == (port,):
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass  # not every system lets a user see
    return ""
