"""Which names a server answers to.

A page in a browser reaches a server on the user's machine under a name of its own that resolves to loopback (DNS
rebinding), or under the right name from a foreign origin. The browser says so in `Host` (RFC 9110, section 7.2) and
`Origin` (RFC 6454, section 7).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

_AUTHORITY = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,255}))(?::(?P<port>[0-9]{0,5}))?"
)
_SCHEME_PORTS = {"http": 80, "https": 443}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Authority:
    """A host, in lower case and without a trailing dot or brackets, and a port where one is named."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Authority":
        """`host`, `host:port` or `[IPv6]:port`. Raises ValueError."""
        parsed = _AUTHORITY.fullmatch(text)
        if parsed is None:
            raise ValueError("it is not a host, or host:port")
        port = int(parsed["port"]) if parsed["port"] else None
        if port is not None and not 0 < port <= _HIGHEST_PORT:
            raise ValueError(f"{port} is not a port")
        host = str(IPv6Address(parsed["v6"])) if parsed["v6"] else parsed["name"].lower().removesuffix(".")
        if not host:
            raise ValueError("it has no host")
        return cls(host, port)

    @classmethod
    def of_origin(cls, origin: str) -> "Authority":
        """That of `http://host:port` or `https://host:port`, always with a port. Raises ValueError."""
        scheme, separator, rest = origin.partition("://")
        if not separator or scheme not in _SCHEME_PORTS:
            raise ValueError("it is not an origin of http or https")
        authority = cls.parse(rest)
        return cls(authority.host, authority.port or _SCHEME_PORTS[scheme])


class OwnNames:
    """The names of one server.

    Args:
        configured: `host` for this host with the usual ports or the one that is listened on, `host:port` for no other.

    Raises:
        ValueError: a configured name is not valid.
    """

    def __init__(self, configured: Iterable[str] = ()) -> None:
        self._configured = frozenset(Authority.parse(name) for name in configured)

    def include(self, asked: Authority, local: Authority) -> bool:
        """Whether a request is for this server.

        Args:
            asked: what the request says.
            local: address and port to which the connection came. An address is no way around: a name that resolves
                to it is what a browser would send.
        """
        ports = {asked.port} if asked.port else set(_SCHEME_PORTS.values())
        if asked.host in _LOOPBACK | {local.host} and local.port in ports:
            return True
        usual = {local.port, *_SCHEME_PORTS.values()}
        candidates = [name for name in self._configured if name.host == asked.host]
        return any(({name.port} if name.port else usual) & ports for name in candidates)


def local_authority(address: object) -> Authority:
    """A socket's own name, as `getsockname` gives it, such as `("127.0.0.1", 8080)`. Raises ValueError."""
    if not isinstance(address, tuple):
        raise ValueError("it is not an address of IP")  # noqa: TRY004 - what cannot be a name is a wrong value
    host = ip_address(address[0])
    mapped = host.ipv4_mapped if isinstance(host, IPv6Address) else None
    return Authority(str(mapped or host), int(address[1]))
