"""The state of the connection to NATS."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats.errors
import structlog
from faststream.nats import NatsBroker
from prometheus_client import CollectorRegistry

from kleverproto.metrics import NATS_CONNECTED, NATS_VIOLATIONS

from .credentials import CredentialsError, read_seed
from .errors import TransientError
from .metrics import counter, gauge
from .nats_calls import ClientSource
from .repeats import Repeats

if TYPE_CHECKING:
    from nats.aio.client import Client, ErrorCallback

log = structlog.get_logger(__name__)

PERMISSIONS_VIOLATION = "permissions violation"
REFUSALS = ("authorization violation", "authorization failed", "authentication revoked", "authentication expired")
"""Errors of the server, or of nats-py, when a client is not authorized."""
REFUSED_SECONDS = 2.0
"""Pause after a refused connection."""
STOP_SECONDS = 5.0
"""Longest wait for pending data when the service stops."""


class Connection:
    """Receives the callbacks of the NATS client: logs errors, and reports when the connection is closed for good.

    Args:
        client: returns the client once it is connected.
        credentials: file with the client's seed, if any.
        metrics: registry for the counter of refused requests.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        client: ClientSource,
        credentials: Path | None,
        metrics: CollectorRegistry,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._closed = asyncio.Event()
        self._problem = _unreachable("it has not responded yet")
        self._error = ""
        self._repeats = Repeats()
        self._sleep = sleep
        self._refused = counter(NATS_VIOLATIONS, metrics)
        gauge(NATS_CONNECTED, metrics).set_function(lambda: self._client.is_connected)

    async def on_error(self, error: Exception) -> None:
        """Handle the failure of a connection or of an attempt to connect; the client retries unless it is closed.

        The client waits for this callback before it retries: after a refusal the pause is longer.
        """
        self._error = str(error) or type(error).__name__
        if PERMISSIONS_VIOLATION in self._error.lower():
            self._refused.inc()
            log.error("nats refuses what this service's credentials do not permit", error=self._error)
            return
        self._problem, is_refusal = self._describe(error)
        if self._repeats.is_new(self._problem):
            log.warning("nats connection", error=self._problem)
        if is_refusal:
            await self._sleep(REFUSED_SECONDS)

    def _describe(self, error: Exception) -> tuple[str, bool]:
        """The problem as a sentence, and whether retries fail until the configuration changes."""
        if isinstance(error, CredentialsError):
            return str(error), True
        if not any(reason in self._error.lower() for reason in REFUSALS):
            return _unreachable(self._error), False
        if self._credentials is None:
            return f"NATS requires credentials ({self._error}): set KLEVER_<SERVICE>_NATS_CREDENTIALS", True
        return (
            f"NATS refuses the credentials in {self._credentials} ({self._error}): they are not those of this server; "
            "create matching credentials with `klever up`, or for another server with `klever nats-config`"
        ), True

    async def on_closed(self) -> None:
        """Handle the end of the connection: the server closed it with an error, or this process closed it."""
        with suppress(TransientError):  # the connection ended before it was established
            self._error = str(self._client().last_error or self._error)  # not passed to `on_error`
        self._closed.set()

    async def check(self) -> str | None:
        """Readiness check: the problem of the connection, or None."""
        if self._client.is_connected:
            return None
        return self._problem

    async def closed(self) -> str:
        """Wait for the end of the connection and return the last error."""
        await self._closed.wait()
        return self._error


def _unreachable(error: str) -> str:
    return f"NATS cannot be reached: {error}; see KLEVER_NATS_URL and the log of nats-server"


class Broker(NatsBroker):
    """A FastStream broker that reconnects after every refusal of the server.

    FastStream raises some refusals, such as "maximum connections exceeded", in nats-py's error callback. That ends
    the task that reconnects, and the client is then neither connected, nor reconnecting, nor closed.

    Args:
        servers: URLs.
        credentials: file with the seed, read once when connecting; nats-py would read it again on each reconnect, and
            stop reconnecting if that fails.
        options: options of FastStream's broker.
    """

    def __init__(self, servers: list[str], *, credentials: Path | None = None, **options: Any) -> None:
        super().__init__(servers, **options)
        self._credentials = credentials

    async def _connect(self) -> "Client":
        """Raises CredentialsError."""
        if self._credentials is not None:
            self._connection_kwargs["nkeys_seed_str"] = await read_seed(self._credentials)
        return await super()._connect()

    def _log_connection_broken(self, error_cb: "ErrorCallback | None" = None) -> "ErrorCallback":
        return error_cb or super()._log_connection_broken()


async def close_broker(broker: NatsBroker) -> None:
    """Stop a broker in any state of its connection: an unresponsive server must not keep the process running."""
    connection: Client | None = broker._connection  # noqa: SLF001 - `connect` would create one
    with suppress(nats.errors.Error, OSError):
        async with asyncio.timeout(STOP_SECONDS):
            await broker.stop()
    if connection is not None and not connection.is_closed:
        with suppress(nats.errors.Error, OSError):
            async with asyncio.timeout(STOP_SECONDS):
                await connection.close()
