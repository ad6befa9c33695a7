"""Reloads changed credentials in the nats-server of a running platform."""

import asyncio
import signal
import time
from collections.abc import Callable

import nats.errors
import psutil
from nats.aio.client import Client

from .home import Home
from .plan import NATS
from .state import read_running

ADMITTED_SECONDS = 20.0
PAUSE_SECONDS = 0.1


def reload_nats(home: Home) -> str | None:
    """Let the server reload its configuration.

    Returns its URL; None if it does not run, and reads the file when it starts.
    """
    state = read_running(home.state)
    server = state.parts.get(NATS) if state else None
    process = server.process() if server else None
    if state is None or process is None:
        return None
    try:
        process.send_signal(signal.SIGHUP)
    except psutil.NoSuchProcess:
        return None
    return state.urls.nats


def admitted(url: str, seed: str, request: str, reload: Callable[[], object], within: float = ADMITTED_SECONDS) -> bool:
    """Return whether a client with this seed can connect and gets a response before a timeout.

    In nats-server 2.15, a new account has no imports until the configuration is reloaded a second time.

    Args:
        url: of the server, which has already reloaded its configuration.
        seed: of the client.
        request: a subject to which the client may send a request.
        reload: lets the server reload its configuration.
        within: timeout in seconds.
    """
    return asyncio.run(_retry_connection(url, seed, request, reload, time.monotonic() + within))


async def _retry_connection(url: str, seed: str, request: str, reload: Callable[[], object], deadline: float) -> bool:
    while time.monotonic() < deadline:
        try:
            await _ask(url, seed, request)
        except nats.errors.NoRespondersError:
            reload()
        except (nats.errors.Error, OSError, TimeoutError):
            """The client cannot connect yet."""
        else:
            return True
        await asyncio.sleep(PAUSE_SECONDS)
    return False


async def _ask(url: str, seed: str, request: str) -> None:
    client = Client()
    try:
        await client.connect(url, nkeys_seed_str=seed, allow_reconnect=False, error_cb=_ignore_error)
        await client.request(request, timeout=2)
    finally:
        await client.close()


async def _ignore_error(_error: Exception) -> None:
    """Ignore the error: `connect` raises it as well."""
