"""The names by which a server may be addressed.

A web page can reach a server on the user's machine under another name that resolves to loopback (DNS rebinding), or
under the correct name from another origin. The browser sends the name in `Host` (RFC 9110, section 7.2) and the origin
in `Origin` (RFC 6454, section 7).
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
    """A host, in lower case and without a trailing dot or brackets, and an optional port."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Authority":
        """Parse `host`, `host:port` or `[IPv6]:port`. Raises ValueError."""
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
        """Parse `http://host:port` or `https://host:port`; the result always has a port. Raises ValueError."""
        scheme, separator, rest = origin.partition("://")
        if not separator or scheme not in _SCHEME_PORTS:
            raise ValueError("it is not an origin of http or https")
        authority = cls.parse(rest)
        return cls(authority.host, authority.port or _SCHEME_PORTS[scheme])


class OwnNames:
    """The names of one server.

    Args:
        configured: `host` for the default ports and the port of the server, or `host:port` for only this port.

    Raises:
        ValueError: a configured name is not valid.
    """

    def __init__(self, configured: Iterable[str] = ()) -> None:
        self._configured = frozenset(Authority.parse(name) for name in configured)

    def include(self, asked: Authority, local: Authority) -> bool:
        """Return whether a request is for this server.

        Args:
            asked: the authority in the request.
            local: the local address and port of the connection. Accepting an address is safe: after DNS rebinding, a
                browser sends a name.
        """
        ports = {asked.port} if asked.port else set(_SCHEME_PORTS.values())
        if asked.host in _LOOPBACK | {local.host} and local.port in ports:
            return True
        usual = {local.port, *_SCHEME_PORTS.values()}
        candidates = [name for name in self._configured if name.host == asked.host]
        return any(({name.port} if name.port else usual) & ports for name in candidates)


def local_authority(address: object) -> Authority:
    """The authority of a socket from `getsockname`, such as `("127.0.0.1", 8080)`. Raises ValueError."""
    if not isinstance(address, tuple):
        raise ValueError("it is not an address of IP")  # noqa: TRY004 - the value is invalid
    host = ip_address(address[0])
    mapped = host.ipv4_mapped if isinstance(host, IPv6Address) else None
    return Authority(str(mapped or host), int(address[1]))
