"""The state of the connection to NATS."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nats.errors
import structlog
from faststream.nats import NatsBroker
from prometheus_client import CollectorRegistry, Counter

from .credentials import CredentialsError, read_seed
from .errors import TransientError
from .nats_calls import ClientSource
from .repeats import Repeats

if TYPE_CHECKING:
    from nats.aio.client import Client, ErrorCallback

log = structlog.get_logger(__name__)

PERMISSIONS_VIOLATION = "permissions violation"
REFUSALS = ("authorization violation", "authorization failed", "authentication revoked", "authentication expired")
"""What the server, or nats-py for it, says to a client that it does not know."""
REFUSED_SECONDS = 2.0
"""Pause before a connection that was refused is tried again."""
STOP_SECONDS = 5.0
"""Longest wait for what is still to be sent on the way out."""


class Connection:
    """Receives the callbacks of the NATS client: logs errors, and reports when the connection is closed for good.

    Args:
        client: gives the client once it has connected.
        credentials: file with the seed that the client shows, if any.
        metrics: where refused requests are counted.
        sleep: lets seconds pass.
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
        self._problem = _unreachable("it has not answered yet")
        self._error = ""
        self._repeats = Repeats()
        self._sleep = sleep
        self._refused = Counter(
            "klever_nats_permission_violations", "Requests that NATS refused to this service.", registry=metrics
        )

    async def on_error(self, error: Exception) -> None:
        """A connection, or a try to make one, failed; the client tries again unless it says that it is closed.

        The client waits for this before it tries again: who was refused asks less often than who was not answered.
        """
        self._error = str(error) or type(error).__name__
        if PERMISSIONS_VIOLATION in self._error.lower():
            self._refused.inc()
            log.error("nats refuses what this service's credentials do not permit", error=self._error)
            return
        self._problem, is_refusal = self._worded(error)
        if self._repeats.is_new(self._problem):
            log.warning("nats connection", error=self._problem)
        if is_refusal:
            await self._sleep(REFUSED_SECONDS)

    def _worded(self, error: Exception) -> tuple[str, bool]:
        """The problem, and whether a retry is useless until the configuration changes."""
        if isinstance(error, CredentialsError):
            return str(error), True
        if not any(reason in self._error.lower() for reason in REFUSALS):
            return _unreachable(self._error), False
        if self._credentials is None:
            return f"NATS requires credentials ({self._error}): set KLEVER_<SERVICE>_NATS_CREDENTIALS", True
        return (
            f"NATS refuses the credentials in {self._credentials} ({self._error}): they are not those of this server; "
            "`klever up` gives both to each other, for another server `klever nats-config` does"
        ), True

    async def on_closed(self) -> None:
        """The client has given up: the server ended the connection with an error, or we closed it."""
        with suppress(TransientError):  # a connection that ends before it is known
            self._error = str(self._client().last_error or self._error)  # nats-py reports this one to nobody
        self._closed.set()

    async def check(self) -> str | None:
        """A readiness check."""
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
    """A FastStream broker that reconnects whatever the server's reason was for refusing a connection.

    FastStream raises some reasons, such as "maximum connections exceeded", out of nats-py's error callback. That
    ends the task that reconnects, and leaves a client that is neither connected, nor trying, nor closed.

    Args:
        servers: URLs.
        credentials: file with the seed, read when the connection is made; nats-py would read it again whenever it
            reconnects, and stop reconnecting where it cannot.
        options: of FastStream's broker.
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
    """Stop a broker whatever state its connection is in: a server that does not answer must not keep the process."""
    connection: Client | None = broker._connection  # noqa: SLF001 - `connect` would make one
    with suppress(nats.errors.Error, OSError):
        await asyncio.wait_for(broker.stop(), STOP_SECONDS)
    if connection is not None and not connection.is_closed:
        with suppress(nats.errors.Error, OSError):
            await asyncio.wait_for(connection.close(), STOP_SECONDS)
