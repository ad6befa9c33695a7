"""The data plane of one machine: Envoy, configured with the replicas of each version."""

import asyncio
from collections.abc import Callable
from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from klever_deployer.domain.routing import ServingRoute
from klever_deployer.domain.versions import ServingName, VersionKey
from klever_deployer.errors import DataPlaneError, RefusedByProxyError
from kleverkit.notices import Notices

from .placed_routes import Endpoints, PlacedRoute, placed
from .waiting_room import WaitingRoom

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.2


class Proxy(Protocol):
    """What takes requests, and is given the addresses to send them to."""

    @property
    def drain_seconds(self) -> float:
        """See `DataPlane`."""
        ...

    async def apply(self, route: PlacedRoute) -> None:
        """Route a serving's requests so. Raises as `DataPlane.apply`."""
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

    The waiting room is given a route before the proxy: a change of routes waits for the requests by the old one, and
    those that wait for a version which the new route does not have would otherwise never end.

    Args:
        proxy: takes the requests.
        find: the replicas of a version that take requests.
        room: where requests wait for a version without a replica.
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
        """Forgets the routes: another deployer applies them from now on."""
        for serving in list(self._routes):
            self._room.forget(serving)
        self._routes.clear()

    async def follow(self, moved: Notices[ServingName]) -> None:
        """Send requests to the replicas that there are, whenever these have changed; until cancelled."""
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
        """Return once requests go to the replicas that there are now, and to no others. Raises DataPlaneError.

        A route of an earlier deployer stays as it is until the serving is applied again.
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
        """One after the other, so that the replicas which the proxy has last are those of the last look."""
        async with self._locks.setdefault(serving, asyncio.Lock()):
            route = self._routes.get(serving)
            if route is not None:
                await self._proxy.apply(placed(route, self._find, self._room.endpoint))
