"""Selects and reserves ports, and identifies the process that uses one."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from klever.errors import PlatformError

from .plan import HOST, Ports

MAX_PORT = 65535
PUBLIC = ("gateway", "registry", "ingress", "nats", "prometheus")


@contextmanager
def reserved(wanted: Ports, *, fall_back: bool = False) -> Iterator[tuple[Ports, tuple[str, ...]]]:
    """Yield free ports, reserved while the block runs, and the names of ports that differ from the requested ones.

    A process of the platform can listen on its port at any time during the block, also again after a restart. Other
    programs that request any free port do not get one of these (see `hold`).

    Args:
        wanted: the requested ports; 0 is any free port.
        fall_back: select another port if the requested one is in use.

    Raises:
        PlatformError: a requested port is in use and `fall_back` is off, or two ports are the same.
    """
    numbers = {name: int(getattr(wanted, name)) for name in Ports.names()}
    _check_different(numbers)
    held = tuple(name for name, number in numbers.items() if number and not is_free(number))
    if held and not fall_back:
        raise PlatformError("\n".join(_held(name, numbers[name]) for name in held))
    with ExitStack() as holds:
        sockets = {name: holds.enter_context(hold(0 if name in held else numbers[name])) for name in numbers}
        chosen = {name: int(holder.getsockname()[1]) for name, holder in sockets.items()}
        if sys.platform != "linux":
            holds.close()
        yield Ports(**chosen), held


def _check_different(numbers: dict[str, int]) -> None:
    for name, number in numbers.items():
        twin = next((other for other, taken in numbers.items() if number and taken == number and other != name), None)
        if twin:
            raise PlatformError(f"{name} and {twin} cannot both use port {number}: change one of them with --port")


def is_free(port: int) -> bool:
    """Return whether this process can listen on the port."""
    try:
        hold(port).close()
    except OSError:
        return False
    return True


def hold(port: int) -> socket.socket:
    """Return a socket that is bound to the port of the loopback address, but does not listen; 0 is any free port.

    On Linux, a server that sets SO_REUSEADDR, as servers do, can still listen on the port, while the system does not
    assign it to programs that request any port: bind(2) with port 0, connect(2). On other systems, servers cannot
    listen either.

    Raises:
        OSError: another program uses the port, or this user has no permission.
    """
    holder = socket.socket()
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, port))
    except OSError:
        holder.close()
        raise
    return holder


def _held(name: str, port: int) -> str:
    return (
        f"port {port}, wanted for the {name}, is held{_holder(port)}: stop that, or choose another with "
        f"--port {name}={_other_than(port)}, or any free ones with --ports auto"
    )


def _other_than(port: int) -> int:
    """Return a free port that is easy to remember: 8180 for 8080."""
    return next((other for other in range(port + 100, MAX_PORT, 100) if is_free(other)), 0)


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.pid
            if listens and connection.laddr[1:] == (port,):
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass  # some systems do not show this to users
    return ""
