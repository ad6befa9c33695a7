"""Checks the URLs in responses of a registry, and which origins may receive credentials; pure."""

import ipaddress
from urllib.parse import urljoin

from yarl import URL

from ormb.errors import ForeignHostError, RegistryError

HTTP_PORT = 80


def exact(url: str, base: URL | None = None) -> URL:
    """Parse a URL from a server without normalizing it, since a signature may cover it.

    Raises:
        RegistryError: it is not a URL, or its scheme is neither http nor https.
    """
    try:
        absolute = URL(urljoin(str(base), url) if base else url, encoded=True)
        is_usable = (
            absolute.scheme in {"http", "https"}
            and bool(absolute.host)
            and absolute.user is None
            and bool(absolute.port)
        )
    except ValueError:
        is_usable = False
    if not is_usable:
        raise RegistryError(f"{base or 'the registry'} answers with {url!r}, which is no address to go on at")
    return absolute


def is_same_origin(one: URL, other: URL) -> bool:
    """Return whether scheme, host and port are the same; an omitted port is the default port (RFC 6454)."""
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def within(origin: URL, location: str, base: URL) -> URL:
    """Return the next URL to request with the same credentials. It must belong to the registry that was asked.

    A registry that does not know that it is behind TLS responds with `http://` and its own name. The result is https.

    Raises:
        ForeignHostError: the URL is on another host, or would not be encrypted.
    """
    url = exact(location, base)
    if (url.scheme, origin.scheme) == ("http", "https") and _is_same_host(url, origin):
        url = exact(f"{origin.origin()}{url.raw_path_qs}")
    if not is_same_origin(url, origin):
        raise ForeignHostError(
            f"{origin.origin()} sends this client on to {url.origin()}: refused, since your credentials are for "
            f"{origin.authority} only. If both are one registry, it must answer with the address that it was asked at"
        )
    return url


def may_issue_tokens(registry: URL, realm: URL) -> bool:
    """Return whether a token endpoint may receive the credentials stored for a registry.

    Allowed are the registry's own origin, and over https a host of the same domain, as auth.docker.io for
    registry-1.docker.io.
    """
    if is_same_origin(registry, realm):
        return True
    host, other = registry.host or "", realm.host or ""
    if realm.scheme != "https" or _is_address(host):
        return False
    parent = host.partition(".")[2]
    domain = parent if "." in parent else host
    return other in {host, domain} or other.endswith(f".{domain}")


def _is_same_host(clear: URL, encrypted: URL) -> bool:
    return clear.host == encrypted.host and clear.explicit_port in {None, HTTP_PORT, encrypted.port}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
