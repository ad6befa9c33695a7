"""Finding ports, keeping them, and saying who holds one."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from klever.errors import PlatformError

from .plan import HOST, Ports

MAX_PORT = 65535
PUBLIC = ("gateway", "registry", "ingress", "nats")


@contextmanager
def reserved(wanted: Ports, *, fall_back: bool = False) -> Iterator[tuple[Ports, tuple[str, ...]]]:
    """Ports that are free, kept so for the block, and the names of those that had to differ from what was wanted.

    A part may listen on its port at any moment of the block, also a second time after it has died; no other program
    that asks the system for any free port gets one of these (see `hold`).

    Args:
        wanted: 0 is any free port.
        fall_back: take another port where the wanted one is held.

    Raises:
        PlatformError: a wanted port is held and `fall_back` is off, or two parts want the same one.
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
            raise PlatformError(f"port {number} is wanted for {name} and {twin}: give each its own with --port")


def is_free(port: int) -> bool:
    """Whether this process could listen on the port."""
    try:
        hold(port).close()
    except OSError:
        return False
    return True


def hold(port: int) -> socket.socket:
    """A socket that has the port of the loopback address and does not listen on it; 0 is any free port.

    On Linux, a server that sets SO_REUSEADDR, as servers do, may still listen there, while the system gives the port
    to nobody who asks for any: bind(2) with port 0, connect(2). Elsewhere it keeps servers out, too.

    Raises:
        OSError: another program holds the port, or this one may not.
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
    """A free port that is easy to remember: 8080 makes 8180."""
    return next((other for other in range(port + 100, MAX_PORT, 100) if is_free(other)), 0)


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.pid
            if listens and connection.laddr[1:] == (port,):
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass  # not every system lets a user see
    return ""
