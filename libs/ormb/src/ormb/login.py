"""Checks credentials with a registry before they are kept."""

from pathlib import Path

from .adapters.connecting import Connecting, connected
from .adapters.credentials import Credentials
from .reference import Reference


async def check_login(host: str, credentials: Credentials, root: Path, options: Connecting) -> None:
    """Ask the registry's base URL whether it takes the credentials.

    Args:
        host: host or host:port of the registry.
        credentials: what to check.
        root: where ormb keeps its files.
        options: see `Connecting`.

    Raises:
        AuthenticationError: it does not.
        RegistryUnavailableError: it does not answer.
        OrmbError: see `ormb.errors`.
    """
    scope = Reference(host, "")

    async def ask() -> None:
        async with registry.api.request("GET", registry.api.root(scope), scope):
            return

    async with connected(root, options, find=lambda _host, _warn: credentials) as registry:
        await registry.api.retried(ask)
