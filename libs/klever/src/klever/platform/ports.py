"""Finding ports, and saying who holds one."""

import socket

import psutil

from klever.errors import PlatformError

from .plan import HOST, Ports

MAX_PORT = 65535
PUBLIC = ("gateway", "registry", "ingress", "nats")


def chosen(wanted: Ports, *, fall_back: bool = False) -> tuple[Ports, tuple[str, ...]]:
    """Ports that are free now, and the names of those that had to differ from what was wanted.

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
    missing = [name for name, number in numbers.items() if not number or name in held]
    found = numbers | dict(zip(missing, free_ports(len(missing)), strict=True))
    return Ports(**found), held


def _check_different(numbers: dict[str, int]) -> None:
    for name, number in numbers.items():
        twin = next((other for other, taken in numbers.items() if number and taken == number and other != name), None)
        if twin:
            raise PlatformError(f"port {number} is wanted for {name} and {twin}: give each its own with --port")


def is_free(port: int) -> bool:
    """Whether this process could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """So many different ports that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


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
