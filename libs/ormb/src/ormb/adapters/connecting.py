"""Assembles the client for registries from its parts."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from ormb.own_registry import OwnRegistry

from .api import RegistryApi
from .challenge import Authorizer, FindCredentials
from .http import HttpRegistry
from .own_registries import OwnRegistries, OwnResolver
from .sessions import UploadSessions
from .tls import verification
from .transport import Transport
from .uploads import CHUNK_BYTES

TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
CONNECTIONS = 100


@dataclass(frozen=True)
class Connecting:
    """Options of connections to registries.

    Attributes:
        plain_http: use http for all registries; registries on this machine always use http.
        insecure: do not verify TLS certificates.
        ca_file: additional CA certificates to trust.
        connections: maximum number of open connections.
        chunk_bytes: size of the chunks of large blobs.
        own: the registry whose password is in a file.
    """

    plain_http: bool = False
    insecure: bool = False
    ca_file: Path | None = None
    connections: int = CONNECTIONS
    chunk_bytes: int = CHUNK_BYTES
    own: OwnRegistry | None = None

    @property
    def http_hosts(self) -> frozenset[str]:
        """Return the hosts that speak http although they are on another machine."""
        return frozenset({self.own.address} if self.own is not None and self.own.plain_http else ())


@asynccontextmanager
async def connected(
    root: Path, options: Connecting, *, find: FindCredentials | None = None
) -> AsyncIterator[HttpRegistry]:
    """A client for all registries, with the proxies that the environment configures.

    Args:
        root: directory of ormb's credentials and of interrupted uploads.
        options: settings of the connections.
        find: returns the credentials for a host. The default finds those of `options.own`, stored and announced ones.
    """
    tls = verification(insecure=options.insecure, ca_file=options.ca_file)
    registries = OwnRegistries(root, options.own)
    async with (
        _session(tls, options.connections, registries) as session,
        _session(tls, options.connections, registries, force_close=True) as once,
    ):
        transport = Transport(session, once=once)
        authorizer = Authorizer(find or registries.find, transport)
        api = RegistryApi(transport, authorizer, plain_http=options.plain_http, http_hosts=options.http_hosts)
        yield HttpRegistry(api, sessions=UploadSessions(root / "uploads"), chunk_bytes=options.chunk_bytes)


def _session(
    tls: ssl.SSLContext | bool,  # noqa: FBT001 - as aiohttp has it
    limit: int,
    registries: OwnRegistries,
    *,
    force_close: bool = False,
) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        ssl=tls,
        limit=limit,
        force_close=force_close,
        resolver=OwnResolver(registries),
        socket_factory=registries.socket_for,
    )
    no_cookies = aiohttp.DummyCookieJar()  # cookies are credentials that would be sent to every port of a host
    return aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, cookie_jar=no_cookies)
