"""A registry whose password is in a file of this user's, such as that of a platform on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kleverproto.accounts import PLATFORM_ACCOUNT

HOST = "127.0.0.1"
"""Where platforms listen on their user's machine."""
NAMES = ("localhost", HOST)
"""What people call it; others may listen on `::1`, which localhost also means."""


@dataclass(frozen=True)
class OwnRegistry:
    """See the module."""

    address: str
    """host:port."""
    password_file: Path
    username: str = PLATFORM_ACCOUNT

    @classmethod
    def of(cls, address: str | None, password_file: Path | None) -> Self | None:
        """That of settings; None where there are none."""
        return cls(address, password_file) if address is not None and password_file is not None else None

    @property
    def port(self) -> int | None:
        """Where it listens on this machine; None for one that is elsewhere."""
        return local_port(self.address)

    def is_named(self, host: str) -> bool:
        """Whether a host:port means this registry."""
        return host == self.address or (self.port is not None and local_port(host) == self.port)

    def password(self) -> str:
        """What is in the file now. Raises OSError, UnicodeError."""
        return self.password_file.read_text("ascii").strip()


def local_port(host: str) -> int | None:
    """The port in host:port on this machine; None for other hosts, and for further addresses of this one."""
    name, _, port = host.rpartition(":")
    return int(port) if name in NAMES and port.isascii() and port.isdigit() else None
