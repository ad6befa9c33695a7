"""What becomes of the connection to NATS."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import nats.errors
import structlog
from faststream.nats import NatsBroker

from .errors import TransientError
from .nats_calls import ClientSource
from .repeats import Repeats

if TYPE_CHECKING:
    from nats.aio.client import Client, ErrorCallback

log = structlog.get_logger(__name__)

STOP_SECONDS = 5.0
"""Longest wait for what is still to be sent on the way out."""


class Connection:
    """Hears from the NATS client: errors are logged, and an end for good is known to those who wait for it.

    Args:
        client: gives the client once it has connected.
    """

    def __init__(self, client: ClientSource) -> None:
        self._client = client
        self._closed = asyncio.Event()
        self._error = "it has not answered yet"
        self._repeats = Repeats()

    async def on_error(self, error: Exception) -> None:
        """A connection, or a try to make one, failed; the client tries again unless it says that it is closed."""
        self._error = str(error) or type(error).__name__
        if self._repeats.is_news(self._error):
            log.warning("nats connection", error=self._error)

    async def on_closed(self) -> None:
        """The client has given up: the server ended the connection with an error, or we closed it."""
        with suppress(TransientError):  # a connection that ends before it is known
            self._error = str(self._client().last_error or self._error)  # nats-py reports this one to nobody
        self._closed.set()

    async def check(self) -> str | None:
        """A readiness check."""
        if self._client.is_connected:
            return None
        return f"NATS cannot be reached: {self._error}; see KLEVER_NATS_URL and the log of nats-server"

    async def closed(self) -> str:
        """Wait for the end of the connection and return the last error."""
        await self._closed.wait()
        return self._error


class Broker(NatsBroker):
    """A FastStream broker that reconnects whatever the server's reason was for refusing a connection.

    FastStream raises some reasons, such as "maximum connections exceeded", out of nats-py's error callback. That
    ends the task that reconnects, and leaves a client that is neither connected, nor trying, nor closed.
    """

    def _log_connection_broken(self, error_cb: "ErrorCallback | None" = None) -> "ErrorCallback":
        return error_cb or super()._log_connection_broken()


async def hang_up(broker: NatsBroker) -> None:
    """Stop a broker whatever state its connection is in: a server that does not answer must not keep the process."""
    connection: Client | None = broker._connection  # noqa: SLF001 - `connect` would make one
    with suppress(nats.errors.Error, OSError):
        await asyncio.wait_for(broker.stop(), STOP_SECONDS)
    if connection is not None and not connection.is_closed:
        with suppress(nats.errors.Error, OSError):
            await asyncio.wait_for(connection.close(), STOP_SECONDS)
