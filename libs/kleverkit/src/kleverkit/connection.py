"""What becomes of the connection to NATS."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import nats.errors
import structlog
from faststream.nats import NatsBroker

from .repeats import Repeats

if TYPE_CHECKING:
    from nats.aio.client import Client, ErrorCallback

log = structlog.get_logger(__name__)

STOP_SECONDS = 5.0
"""Longest wait for what is still to be sent on the way out."""


class Connection:
    """Hears from the NATS client: errors are logged, and an end for good is known to those who wait for it."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()
        self._error = "no reason was given"
        self._repeats = Repeats()

    async def on_error(self, error: Exception) -> None:
        """A connection, or a try to make one, failed; the client tries again unless it says that it is closed."""
        self._error = str(error) or type(error).__name__
        if self._repeats.is_news(self._error):
            log.warning("nats connection", error=self._error)

    async def on_closed(self) -> None:
        """The client has given up: the server ended the connection with an error, or we closed it."""
        self._closed.set()

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
