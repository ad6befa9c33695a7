"""One HTTP client for all external registries, with the credentials that `ormb login` and Docker keep."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from kleverkit.errors import PermanentError, TransientError
from ormb.adapters.connecting import Connecting, connected
from ormb.adapters.http import HttpRegistry
from ormb.errors import OrmbError


class RemoteConnection:
    """Open for as long as the web application is.

    Args:
        root: where ormb keeps credentials.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._registry: HttpRegistry | None = None

    async def opened(self, _app: web.Application) -> AsyncIterator[None]:
        """For `cleanup_ctx` of the application."""
        async with connected(self._root, Connecting()) as registry:
            self._registry = registry
            yield
            self._registry = None

    @property
    def registry(self) -> HttpRegistry:
        """The client. Raises TransientError before it is open."""
        if self._registry is None:
            raise TransientError("the service is not connected to other registries: it starts or stops")
        return self._registry


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of ormb into those that say what to do next."""
    try:
        yield
    except OrmbError as error:
        kind = TransientError if error.transient else PermanentError
        raise kind(str(error)) from error
