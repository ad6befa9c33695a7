"""Lets the nats-server of a platform that runs know of changed credentials."""

import asyncio
import signal
import time

import nats.errors
import psutil
from nats.aio.client import Client

from .home import Home
from .plan import NATS
from .state import read_running

ADMITTED_SECONDS = 10.0
PAUSE_SECONDS = 0.05


def reload_nats(home: Home) -> str | None:
    """Let the server read its configuration again; its URL, or None where it does not run and reads it when it does."""
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


def is_admitted(url: str, seed: str, within: float = ADMITTED_SECONDS) -> bool:
    """Whether the server accepts the credentials before so many seconds have passed."""
    return asyncio.run(_is_admitted(url, seed, within))


async def _is_admitted(url: str, seed: str, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        client = Client()
        try:
            await client.connect(url, nkeys_seed_str=seed, allow_reconnect=False, error_cb=_expected)
        except (nats.errors.Error, OSError, TimeoutError):
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return True
        finally:
            await client.close()
    return False


async def _expected(_error: Exception) -> None:
    """`connect` raises it, too."""
