"""Puts the parts together that speak to registries; whoever wants one enters this."""

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
    """How registries are spoken to.

    Attributes:
        plain_http: http to every registry; those on this machine are always spoken to so.
        insecure: TLS certificates are not verified.
        ca_file: certificates of authorities to trust besides the system's.
        connections: open at a time.
        chunk_bytes: size of the pieces of large blobs.
        own: the registry whose password is in a file.
    """

    plain_http: bool = False
    insecure: bool = False
    ca_file: Path | None = None
    connections: int = CONNECTIONS
    chunk_bytes: int = CHUNK_BYTES
    own: OwnRegistry | None = None


@asynccontextmanager
async def connected(
    root: Path, options: Connecting, *, find: FindCredentials | None = None
) -> AsyncIterator[HttpRegistry]:
    """A client for all registries, with the proxies that the environment names.

    Args:
        root: where ormb keeps credentials and uploads in the middle.
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
        api = RegistryApi(transport, Authorizer(find or registries.find, transport), plain_http=options.plain_http)
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
    no_cookies = aiohttp.DummyCookieJar()  # a cookie is a credential that every port of a host would be sent
    return aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, cookie_jar=no_cookies)
