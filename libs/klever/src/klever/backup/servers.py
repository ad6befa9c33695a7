"""Connects to NATS as its operator: to that of a running platform, or to a server that is started for the purpose."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats.errors
import nkeys
from nats.aio.client import Client

from klever.platform.child import Child
from klever.platform.home import Home
from klever.platform.nats_access import OPERATOR, NatsAccess
from klever.platform.plan import NATS, Ports, nats_part
from klever.platform.ports import reserved
from klever.platform.state import read_running
from klever.platform.supervisor import locked

from .errors import BackupError

START_SECONDS = 60.0
CONNECT_SECONDS = 10


@asynccontextmanager
async def platform_client(home: Home, nats_server: str) -> AsyncIterator[Client]:
    """Yield a client of the NATS of a home's platform, whether the platform runs or not.

    Args:
        home: the home. It is locked meanwhile if the platform does not run.
        nats_server: path of the nats-server program.

    Raises:
        BackupError: there is no platform, or NATS does not start or respond.
        PlatformError: a platform with this home is starting or stopping.
    """
    state = read_running(home.state)
    credentials = home.nats_files.credentials_of(OPERATOR)
    if state is not None:
        async with connected(state.urls.nats, credentials) as client:
            yield client
        return
    if not home.of(NATS).is_dir():
        raise BackupError(f"{home.path} is not the home of a platform: set KLEVER_HOME, or start one with `klever up`")
    home.create()
    with locked(home):
        async with temporary_client(home, nats_server) as client:
            yield client


@asynccontextmanager
async def temporary_client(home: Home, nats_server: str) -> AsyncIterator[Client]:
    """Start the NATS of a home that no platform uses, and yield a client. Raises BackupError."""
    NatsAccess(home.nats_files).prepare()
    with reserved(Ports.automatic()) as (ports, _):
        server = await Child.spawn(nats_part(home, ports, nats_server), home.log_of(NATS))
        try:
            if not await server.wait_ready(START_SECONDS):
                raise BackupError(f"nats-server did not start; its log ends with:\n{server.last_lines()}")
            async with connected(server.part.url, home.nats_files.credentials_of(OPERATOR)) as client:
                yield client
        finally:
            await server.stop()


@asynccontextmanager
async def connected(url: str, credentials: Path | None) -> AsyncIterator[Client]:
    """Yield a client of a server.

    Args:
        url: of the server; several of a cluster are separated by commas.
        credentials: file with the seed of an operator; None for a server without authentication.

    Raises:
        BackupError: the server cannot be reached, or refuses the credentials.
    """
    client = Client()
    seed = _seed(credentials) if credentials is not None else None
    try:
        await client.connect(
            url.split(","),
            nkeys_seed_str=seed,
            allow_reconnect=False,
            max_reconnect_attempts=1,  # otherwise the first connection is attempted for two minutes
            connect_timeout=CONNECT_SECONDS,
            error_cb=_ignore_error,
        )
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise BackupError(f"NATS at {url} cannot be reached: {str(error) or type(error).__name__}") from error
    try:
        yield client
    finally:
        await client.close()


def _seed(path: Path) -> str:
    try:
        seed = path.read_text().strip()
        nkeys.from_seed(bytearray(seed.encode())).wipe()
    except (OSError, UnicodeDecodeError, nkeys.NkeysError, ValueError) as error:
        raise BackupError(f"{path} is not a readable file with the seed of an NKey") from error
    return seed


async def _ignore_error(_error: Exception) -> None:
    """Ignore the error: the calls raise it as well."""
