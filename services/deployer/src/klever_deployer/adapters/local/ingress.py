"""The data plane of one machine: Envoy, configured with the replicas of each version."""

import asyncio
from collections.abc import Callable
from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from klever_deployer.errors import DataPlaneError, RefusedByProxyError
from kleverkit.notices import Notices
from kleverroutes.routing import ServingRoute
from kleverroutes.versions import ServingName, VersionKey

from .placed_routes import Endpoints, PlacedRoute, placed
from .waiting_room import WaitingRoom

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.2


class Proxy(Protocol):
    """A proxy that is configured with the addresses of replicas."""

    @property
    def drain_seconds(self) -> float:
        """See `DataPlane`."""
        ...

    async def apply(self, route: PlacedRoute) -> None:
        """Apply the route of a serving. Raises as `DataPlane.apply`."""
        ...

    async def remove(self, serving: ServingName) -> None:
        """See `DataPlane`."""
        ...

    def is_up(self) -> bool:
        """See `DataPlane`."""
        ...

    def served(self) -> set[ServingName]:
        """See `DataPlane`."""
        ...


class LocalIngress:
    """See `ports.DataPlane`.

    A route is applied to the waiting room before the proxy: the proxy waits for requests on the old route, and requests
    that wait for a removed version would otherwise never complete.

    Args:
        proxy: routes the requests.
        find: returns the replicas of a version that take requests.
        room: holds requests for a version without replicas.
    """

    def __init__(self, proxy: Proxy, find: Callable[[VersionKey], Endpoints], room: WaitingRoom) -> None:
        self._proxy = proxy
        self._find = find
        self._room = room
        self._routes: dict[ServingName, ServingRoute] = {}
        self._applied = asyncio.Condition()
        self._locks: WeakValueDictionary[ServingName, asyncio.Lock] = WeakValueDictionary()

    @property
    def drain_seconds(self) -> float:
        """See `DataPlane`."""
        return self._proxy.drain_seconds

    def refusal(self, _route: ServingRoute) -> str | None:
        """See `DataPlane`. Envoy itself checks the syntax of expressions when it is configured."""
        return None

    def is_up(self) -> bool:
        """See `DataPlane`."""
        return self._proxy.is_up()

    def served(self) -> set[ServingName]:
        """See `DataPlane`."""
        return self._proxy.served()

    async def apply(self, route: ServingRoute) -> None:
        """See `DataPlane`."""
        before = self._routes.get(route.serving)
        await self._set(route.serving, route)
        try:
            await self._place(route.serving)
        except (RefusedByProxyError, DataPlaneError):
            await self._set(route.serving, before)
            raise

    async def remove(self, serving: ServingName) -> None:
        """See `DataPlane`."""
        await self._set(serving, None)
        await self._proxy.remove(serving)
        async with self._applied:
            self._applied.notify_all()

    def reset(self) -> None:
        """Forget the routes: another deployer applies them from now on."""
        for serving in list(self._routes):
            self._room.forget(serving)
        self._routes.clear()

    async def follow(self, moved: Notices[ServingName]) -> None:
        """Update the proxy when the replicas of servings change, until cancelled."""
        while True:
            servings = sorted(await moved.take())
            outcomes = await asyncio.gather(*map(self._place, servings), return_exceptions=True)
            failed = {each: error for each, error in zip(servings, outcomes, strict=True) if error is not None}
            for serving, error in failed.items():
                log.warning("replicas not updated in the proxy, retrying", serving=str(serving), error=str(error))
                moved.add(serving)
            if failed:
                await asyncio.sleep(RETRY_SECONDS)

    async def refresh(self, serving: ServingName) -> None:
        """Return once requests are routed only to the present replicas. Raises DataPlaneError.

        The route of an earlier deployer is not changed until the serving is applied again.
        """
        async with self._applied:
            await self._applied.wait_for(lambda: serving in self._routes or serving not in self.served())
        await self._place(serving)

    async def _set(self, serving: ServingName, route: ServingRoute | None) -> None:
        async with self._applied:
            if route is None:
                self._routes.pop(serving, None)
                self._room.forget(serving)
            else:
                self._routes[serving] = route
                self._room.follow(route)
            self._applied.notify_all()

    async def _place(self, serving: ServingName) -> None:
        """Apply the route with the present replicas, one call at a time, so that the newest are applied last."""
        async with self._locks.setdefault(serving, asyncio.Lock()):
            route = self._routes.get(serving)
            if route is not None:
                await self._proxy.apply(placed(route, self._find, self._room.endpoint))
