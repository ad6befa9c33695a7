"""Checks credentials with a registry before they are stored."""

from pathlib import Path

from .adapters.connecting import Connecting, connected
from .adapters.credentials import Credentials
from .reference import Reference


async def check_login(host: str, credentials: Credentials, root: Path, options: Connecting) -> None:
    """Check with a request to the registry's base URL that it accepts the credentials.

    Args:
        host: host or host:port of the registry.
        credentials: the credentials to check.
        root: directory of ormb's files.
        options: see `Connecting`.

    Raises:
        AuthenticationError: it rejects them.
        RegistryUnavailableError: it does not respond.
        OrmbError: see `ormb.errors`.
    """
    scope = Reference(host, "")

    async def ask() -> None:
        async with registry.api.request("GET", registry.api.root(scope), scope):
            return

    async with connected(root, options, find=lambda _host, _warn: credentials) as registry:
        await registry.api.retried(ask)
