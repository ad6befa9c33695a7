"""A registry whose password is in a file of this user, such as the registry of a local platform."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kleverproto.accounts import PLATFORM_ACCOUNT

HOST = "127.0.0.1"
"""Address on which local platforms listen."""
NAMES = ("localhost", HOST)
"""Names of this machine. Other servers may listen on `::1`, which is also localhost."""


@dataclass(frozen=True)
class OwnRegistry:
    """A registry with its password file; see the module."""

    address: str
    """host:port."""
    password_file: Path
    username: str = PLATFORM_ACCOUNT
    plain_http: bool = False
    """True if the registry speaks http. A registry on this machine always does."""

    @classmethod
    def of(cls, address: str | None, password_file: Path | None, *, plain_http: bool = False) -> Self | None:
        """Return the registry that settings name; None if they name none."""
        if address is None or password_file is None:
            return None
        return cls(address, password_file, plain_http=plain_http)

    @property
    def port(self) -> int | None:
        """Return the port on this machine; None for a registry on another machine."""
        return local_port(self.address)

    def is_named(self, host: str) -> bool:
        """Return whether a host:port names this registry."""
        return host == self.address or (self.port is not None and local_port(host) == self.port)

    def password(self) -> str:
        """Read the password from the file. Raises OSError, UnicodeError."""
        return self.password_file.read_text("ascii").strip()


def local_port(host: str) -> int | None:
    """Return the port of a host:port on this machine; None for other hosts and other addresses of this machine."""
    name, _, port = host.rpartition(":")
    return int(port) if name in NAMES and port.isascii() and port.isdigit() else None
