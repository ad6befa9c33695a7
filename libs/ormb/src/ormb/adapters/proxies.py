"""Chooses the proxy for a request from the usual environment variables, in either case; pure.

NO_PROXY is interpreted as by Go's httpproxy package, like in container tools: names with their subdomains,
`.example.com` for subdomains only, addresses, CIDR ranges, each with or without a port, and `*`.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass

from yarl import URL

from ormb.errors import ProxyError

VARIABLES = {"http": ("http_proxy", "all_proxy"), "https": ("https_proxy", "all_proxy")}
SUPPORTED = ("http", "https")


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the variable that configures it."""

    url: URL
    """Includes user and password, if there are any."""
    variable: str

    def __str__(self) -> str:
        return f"the proxy {self.url.with_user(None)} (${self.variable})"


class Proxies:
    """Chooses the proxy for a URL.

    Args:
        environment: variables; default is the environment of the process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def proxy_for(self, url: URL) -> Proxy | None:
        """Return the proxy for a URL; None for a direct connection. Requests to this machine are always direct.

        Raises:
            ProxyError: the variable cannot be parsed, or names an unsupported kind of proxy.
        """
        host, port = url.host or "", url.port or 0
        if _is_loopback(host) or self._is_excepted(host, port):
            return None
        for name in VARIABLES.get(url.scheme, ()):
            for variable in (name, name.upper()):
                if text := self._environment.get(variable, "").strip():
                    return Proxy(_parsed(text, variable), variable)
        return None

    def _is_excepted(self, host: str, port: int) -> bool:
        text = self._environment.get("no_proxy") or self._environment.get("NO_PROXY") or ""
        return any(_matches(entry.strip().lower(), host.lower().rstrip("."), port) for entry in text.split(","))


def _parsed(text: str, variable: str) -> URL:
    """Parse the URL of a proxy; http is the default scheme."""
    try:
        url = URL(text if "://" in text else f"http://{text}")
        is_complete = bool(url.host and url.port)
    except ValueError:
        is_complete = False
    if not is_complete:
        raise ProxyError(f"${variable} names no proxy: write http://host:port, or unset it")
    if url.scheme not in SUPPORTED:
        raise ProxyError(f"${variable} names a {url.scheme} proxy: only http and https proxies are supported")
    return url


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, wanted_port = _split(entry)
    if not name or (wanted_port and wanted_port != str(port)):
        return False
    address = _address(host)
    if address is not None:
        return _has_address(name, address)
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split(entry: str) -> tuple[str, str]:
    """Split an entry into name and port. IPv6 addresses with a port are in brackets."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""


def _has_address(name: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else host == "localhost" or host.endswith(".localhost")
