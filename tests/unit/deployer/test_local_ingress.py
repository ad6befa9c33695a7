"""Routes that name versions, and a proxy that gets their current replicas."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from klever_deployer.adapters.local.ingress import LocalIngress
from klever_deployer.adapters.local.placed_routes import Endpoints, PlacedRoute
from klever_deployer.adapters.local.replica_specs import Endpoint
from klever_deployer.adapters.local.waiting_room import WaitingRoom
from klever_deployer.errors import DataPlaneError, RefusedByProxyError
from kleverkit.notices import Notices
from kleverroutes.versions import ServingName, VersionKey
from support.data_planes import version_key, version_route
from support.deployer import IRIS
from support.waiting import eventually, others

HERE, THERE = Endpoint("127.0.0.1", 7001), Endpoint("127.0.0.1", 7002)
V1, V2 = version_key("v1"), version_key("v2")
OTHER = ServingName("default", "abalone")


class RecordingProxy:
    """Accepts every route except those in its list of failures."""

    drain_seconds = 0.0

    def __init__(self, served: set[ServingName]) -> None:
        self._served = served
        self.taken: list[PlacedRoute] = []
        self.failures: list[Exception] = []

    async def apply(self, route: PlacedRoute) -> None:
        if self.failures:
            raise self.failures.pop()
        self.taken.append(route)
        self._served.add(route.route.serving)

    async def remove(self, serving: ServingName) -> None:
        self._served.discard(serving)

    def is_up(self) -> bool:
        return True

    def served(self) -> set[ServingName]:
        return set(self._served)

    def endpoints(self) -> list[Endpoints]:
        """The endpoints of the versions in the proxy's last route."""
        return [place.endpoints for place in self.taken[-1].places]


class World:
    """An ingress, its proxy and the replicas."""

    def __init__(self, served: set[ServingName] | None = None) -> None:
        self.proxy = RecordingProxy(served or set())
        self.places: dict[VersionKey, Endpoints] = {V1: (HERE,)}
        room = WaitingRoom(lambda _version: None, lambda _version: None, patience=1.0)
        self.ingress = LocalIngress(self.proxy, lambda version: self.places.get(version, ()), room)
        self.moved: Notices[ServingName] = Notices()

    def move(self, *endpoints: Endpoint) -> None:
        self.places[V1] = endpoints
        self.moved.add(IRIS)

    async def until(self, *endpoints: Endpoints) -> None:
        """Wait until requests are sent to these endpoints."""

        async def is_reached() -> bool:
            return self.proxy.endpoints() == list(endpoints)

        assert await eventually(is_reached)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world whose ingress follows its replicas and has a route to v1."""
    world = World()
    await world.ingress.apply(version_route(("v1", 100)))
    following = asyncio.create_task(world.ingress.follow(world.moved))
    yield world
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_requests_follow_replicas_as_they_come_and_go(world: World) -> None:
    for endpoints in ((HERE, THERE), (THERE,), ()):
        world.move(*endpoints)
        await world.until(endpoints)


async def test_replicas_that_moved_during_an_outage_of_the_proxy_get_requests_after_it(world: World) -> None:
    world.proxy.failures = [DataPlaneError("Envoy does not answer")]
    world.move(THERE)
    await world.until((THERE,))
    assert world.proxy.failures == []


@pytest.mark.parametrize("failure", [RefusedByProxyError("Envoy refuses it"), DataPlaneError("Envoy does not answer")])
async def test_a_failed_route_does_not_replace_the_previous_one(world: World, failure: Exception) -> None:
    world.proxy.failures = [failure]
    with pytest.raises(type(failure)):
        await world.ingress.apply(version_route(("v2", 100)))
    world.move(THERE)
    await world.until((THERE,))
    assert [place.version for place in world.proxy.taken[-1].places] == [V1]


async def test_a_removed_route_does_not_return_when_its_replicas_move(world: World) -> None:
    await world.ingress.remove(IRIS)
    taken = len(world.proxy.taken)
    world.move(THERE)
    await world.ingress.refresh(IRIS)
    assert (len(world.proxy.taken), world.ingress.served()) == (taken, set())


async def test_a_route_of_an_earlier_deployer_stays_until_its_serving_is_applied() -> None:
    world = World(served={IRIS, OTHER})
    refreshed = asyncio.create_task(world.ingress.refresh(IRIS))
    await others()
    assert (refreshed.done(), world.proxy.taken) == (False, [])
    await world.ingress.apply(version_route(("v1", 100), serving=OTHER))
    await others()
    assert not refreshed.done()
    await world.ingress.apply(version_route(("v1", 100)))
    await refreshed
    assert world.proxy.endpoints() == [(HERE,)]


async def test_a_serving_without_a_route_has_no_open_requests() -> None:
    await World().ingress.refresh(IRIS)


async def test_a_deployer_that_left_its_backend_changes_no_route_until_it_applies_one_again(world: World) -> None:
    world.ingress.reset()
    taken = len(world.proxy.taken)
    world.move(THERE)
    await others()
    assert len(world.proxy.taken) == taken
    await world.ingress.apply(version_route(("v1", 100)))
    assert world.proxy.endpoints() == [(THERE,)]
