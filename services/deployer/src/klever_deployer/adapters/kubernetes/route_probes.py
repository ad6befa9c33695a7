"""Waits until requests are routed as the objects of a route describe."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import aiohttp
import structlog

from klever_deployer.errors import DataPlaneError
from kleverkube.manifest import Manifest
from kleverroutes.kubernetes.probes import probe_path

log = structlog.get_logger(__name__)

Settle = Callable[[Sequence[Manifest]], Awaitable[None]]
"""Waits until proxies have received a change; gets the present objects of a route, or none after its removal."""
SETTLE_SECONDS = 1.0
"""Time in which proxies receive a change; a weight was live within 0.31 s in an idle mesh."""
PATIENCE_SECONDS = 10.0
RESPONSE_SECONDS = 5.0
"""Longest wait for one response."""
POLL_SECONDS = 0.05
NOT_ROUTED = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE})
"""Responses of a gateway that does not have the route, or has not received its configuration."""


async def settle_by_time(_objects: Sequence[Manifest]) -> None:
    """Waits for the time in which proxies usually receive a change."""
    await asyncio.sleep(SETTLE_SECONDS)


class RouteProbe:
    """Requests the route's probe at the gateway, if this process reaches it.

    Several proxies behind one address may receive a change at different times, so the usual time passes as well.

    Args:
        gateway_url: at which clients reach the gateway.
        seconds: the usual time.
        patience: seconds until a gateway without the route is an error, or one that does not respond is not asked.
    """

    def __init__(self, gateway_url: str, seconds: float = SETTLE_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        self._url = gateway_url
        self._seconds = seconds
        self._patience = patience
        self._is_reached = True
        """True if it is worth waiting for a response."""

    async def __call__(self, objects: Sequence[Manifest]) -> None:
        """See `Settle`. Raises DataPlaneError if the gateway does not receive the route."""
        await asyncio.sleep(self._seconds)
        if not objects:
            return
        status = await self._last_status(f"{self._url}{probe_path(objects)}")
        if status in NOT_ROUTED:
            raise DataPlaneError(
                f"the gateway at {self._url} has not received the route after {self._patience:g} s: it responds with "
                f"{status}. Check the control plane of the gateway, and KLEVER_DEPLOYER_CLUSTER_GATEWAY"
            )
        if status is None and self._is_reached:
            log.warning("gateway not reachable, so changes of routes are not verified", url=self._url)
        self._is_reached = status is not None

    async def _last_status(self, url: str) -> int | None:
        """Return the first status that shows the route, or the last one; None if there is no response.

        One request is always made, so that a slow machine does not make a gateway unreachable.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=RESPONSE_SECONDS)) as session:
            while True:
                status = await _status(session, url)
                is_awaited = status in NOT_ROUTED or (status is None and self._is_reached)
                if not is_awaited or loop.time() >= deadline:
                    return status
                await asyncio.sleep(POLL_SECONDS)


async def _status(session: aiohttp.ClientSession, url: str) -> int | None:
    """Return the status of a response; None if this process does not reach the gateway."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return None
