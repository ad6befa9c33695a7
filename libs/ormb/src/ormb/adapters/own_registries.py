"""Sends the password of a registry on this machine to that registry only, not to another server on its port."""

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
    """Identifies addresses of registries whose password is in a file, and returns their credentials.

    Args:
        root: directory of ormb's credentials and of announced registries.
        own: one further registry.
        listens: returns whether the server on a port of this machine belongs to this user.
    """

    def __init__(self, root: Path, own: OwnRegistry | None = None, *, listens: Callable[[int], bool] = is_ours) -> None:
        self._root = root
        self._own = own
        self._listens = listens
        self._trusted: set[int] = set()
        """Ports that were identified as this user's registries. Requests to them are never sent to another address."""
        self._doubted: set[int] = set()
        """Ports of this machine to which connections were opened before they were identified as a registry."""

    def find(self, host: str, warn: Warn) -> Credentials | None:
        """Return the credentials for a host:port: the configured registry, else stored ones, else an announced one."""
        if self._own is not None and self._own.is_named(host):
            return self._login(self._own, warn)
        stored = find_credentials(self._root, host, warn)
        announced = announced_at(self._root, host) if stored is None else None
        return self._login(announced, warn) if announced is not None else stored

    def is_own(self, port: int) -> bool:
        """Return whether `localhost` with this port means 127.0.0.1."""
        address = f"{HOST}:{port}"
        if (self._own is not None and self._own.is_named(address)) or announced_at(self._root, address) is not None:
            self._trusted.add(port)
        return port in self._trusted

    def socket_for(self, address: "AddrInfoType") -> socket.socket:
        """Create a socket for a new connection, for aiohttp.

        Raises:
            ConnectionRefusedError: the port belongs to a registry of this user, but another user's server listens on
            it.
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
    """Resolves `localhost` to the address of this user's registries: others may listen on `::1`.

    Args:
        registries: identifies them.
        system: resolves all other names.
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
