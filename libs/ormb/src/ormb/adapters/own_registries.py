"""Sends the password of a registry on this machine to that registry alone, whoever else listens meanwhile."""

import errno
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from ormb.own_registry import HOST, NAMES, OwnRegistry

from .announcements import announced_at
from .credentials import Credentials, Warn, find_credentials
from .listeners import is_ours

if TYPE_CHECKING:
    from aiohttp.connector import AddrInfoType

LOOPBACK = (HOST, "::1")


class OwnRegistries:
    """Which addresses are those of registries whose password is in a file, and what logs in there.

    Args:
        root: where ormb keeps credentials, and registries are announced.
        own: one that is known besides.
        listens: whether the server on a port of this machine is this user's.
    """

    def __init__(self, root: Path, own: OwnRegistry | None = None, *, listens: Callable[[int], bool] = is_ours) -> None:
        self._root = root
        self._own = own
        self._listens = listens
        self._trusted: set[int] = set()
        """Ports of registries of one's own: what was sent there once may be sent again, later and elsewhere never."""
        self._doubted: set[int] = set()
        """Ports of this machine to which connections were opened while they were nobody's that we know."""

    def find(self, host: str, warn: Warn) -> Credentials | None:
        """Credentials for a host:port: of the known registry, else what the user keeps, else of an announced one."""
        if self._own is not None and self._own.is_named(host):
            return self._login(self._own, warn)
        stored = find_credentials(self._root, host, warn)
        announced = announced_at(self._root, host) if stored is None else None
        return self._login(announced, warn) if announced is not None else stored

    def is_own(self, port: int) -> bool:
        """Whether 127.0.0.1 is meant where this port of `localhost` is asked for."""
        address = f"{HOST}:{port}"
        if (self._own is not None and self._own.is_named(address)) or announced_at(self._root, address) is not None:
            self._trusted.add(port)
        return port in self._trusted

    def socket_for(self, address: "AddrInfoType") -> socket.socket:
        """A socket for a new connection, as aiohttp wants one.

        Raises:
            ConnectionRefusedError: the port is that of a registry of one's own, where another user's server listens.
        """
        family, kind, protocol, _, to = address
        host, port = to[0], int(to[1])
        if host == HOST and self.is_own(port):
            if not self._listens(port):
                raise ConnectionRefusedError(errno.ECONNREFUSED, "the registry of your platform does not listen there")
        elif host in LOOPBACK:
            self._doubted.add(port)
        return socket.socket(family, kind, protocol)

    def _login(self, registry: OwnRegistry, warn: Warn) -> Credentials | None:
        port = registry.port
        if port is not None and (port in self._doubted or not self._listens(port)):
            warn(f"{registry.address} was not the registry of your platform when this began: its password is not sent")
            return None
        try:
            return Credentials(registry.username, registry.password())
        except (OSError, UnicodeError) as error:
            warn(f"the password of {registry.address} in {registry.password_file} cannot be read ({error})")
            return None


class OwnResolver(AbstractResolver):
    """Resolves `localhost` to the address on which registries of one's own listen: others may listen on `::1`.

    Args:
        registries: which they are.
        system: resolves every other name.
    """

    def __init__(self, registries: OwnRegistries, system: AbstractResolver | None = None) -> None:
        self._registries = registries
        self._system = system or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See `AbstractResolver`."""
        is_here = host in NAMES and self._registries.is_own(port)
        return await self._system.resolve(HOST if is_here else host, port, family)

    async def close(self) -> None:
        """See `AbstractResolver`."""
        await self._system.close()
