"""The HTTP client for all external registries, with the credentials of `ormb login` and Docker."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from kleverkit.errors import PermanentError, TransientError
from ormb.adapters.connecting import Connecting, connected
from ormb.adapters.http import HttpRegistry
from ormb.errors import OrmbError


class RemoteConnection:
    """A client with the lifetime of the web application.

    Args:
        root: directory of ormb's credentials.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._registry: HttpRegistry | None = None

    async def opened(self, _app: web.Application) -> AsyncIterator[None]:
        """Open and close the client, as `cleanup_ctx` of the application."""
        async with connected(self._root, Connecting()) as registry:
            self._registry = registry
            yield
            self._registry = None

    @property
    def registry(self) -> HttpRegistry:
        """The client. Raises TransientError before it is open."""
        if self._registry is None:
            raise TransientError(
                "the service is not connected to external registries, because it is starting or stopping"
            )
        return self._registry


@contextmanager
def translated() -> Iterator[None]:
    """Convert errors of ormb to TransientError or PermanentError."""
    try:
        yield
    except OrmbError as error:
        kind = TransientError if error.transient else PermanentError
        raise kind(str(error)) from error
