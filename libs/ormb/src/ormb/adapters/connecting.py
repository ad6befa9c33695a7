"""Puts the parts together that speak to registries; whoever wants one enters this."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp

from .challenge import Authorizer, FindCredentials
from .credentials import find_credentials
from .http import HttpRegistry
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
    """

    plain_http: bool = False
    insecure: bool = False
    ca_file: Path | None = None
    connections: int = CONNECTIONS
    chunk_bytes: int = CHUNK_BYTES


@asynccontextmanager
async def connected(root: Path, how: Connecting, *, find: FindCredentials | None = None) -> AsyncIterator[HttpRegistry]:
    """A client for all registries, with the proxies that the environment names.

    Args:
        root: where ormb keeps credentials and uploads in the middle.
        how: settings.
        find: gives the credentials for a host; by default those that are kept.
    """
    tls = verification(insecure=how.insecure, ca_file=how.ca_file)
    async with _session(tls, how.connections) as session, _session(tls, how.connections, force_close=True) as once:
        transport = Transport(session, once=once)
        yield HttpRegistry(
            transport,
            Authorizer(find or partial(find_credentials, root), transport),
            sessions=UploadSessions(root / "uploads"),
            plain_http=how.plain_http,
            chunk_bytes=how.chunk_bytes,
        )


def _session(tls: ssl.SSLContext | bool, limit: int, *, force_close: bool = False) -> aiohttp.ClientSession:  # noqa: FBT001 - as aiohttp has it
    connector = aiohttp.TCPConnector(ssl=tls, limit=limit, force_close=force_close)
    no_cookies = aiohttp.DummyCookieJar()  # a cookie is a credential that every port of a host would be sent
    return aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, cookie_jar=no_cookies)
