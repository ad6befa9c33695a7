"""A change of a route is complete when the gateway responds to the probe of that change."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from http import HTTPStatus

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from klever_deployer.adapters.kubernetes.route_probes import RouteProbe
from klever_deployer.errors import DataPlaneError
from kleverroutes.kubernetes.istio import istio_objects
from kleverroutes.kubernetes.probes import probe_path, with_probe
from kleverroutes.kubernetes.services import Json
from kleverroutes.kubernetes.virtual_services import IstioIngress
from kleverroutes.routing import ServingRoute
from support.kubernetes_routes import ServicesOf, v2_route
from support.waiting import others

INGRESS = IstioIngress(gateways=("istio-system/gateway",))
ROUTE = v2_route(("v1", 80), ("v2", 20))


def probe_of(url: URL, patience: float) -> RouteProbe:
    return RouteProbe(str(url).rstrip("/"), seconds=0, patience=patience)


def rendered(route: ServingRoute = ROUTE) -> list[Json]:
    return with_probe(istio_objects(route, INGRESS, ServicesOf()), route.serving)


class Gateway:
    """Responds with statuses in their order, then with the last one."""

    def __init__(self) -> None:
        self.statuses = [HTTPStatus.NO_CONTENT]
        self.paths: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        return web.Response(status=self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def url(gateway: Gateway) -> AsyncIterator[URL]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gateway.handle)
    async with TestServer(app) as server:
        yield server.make_url("")


@pytest.fixture
def probe(url: URL) -> RouteProbe:
    return probe_of(url, patience=60)


def test_each_change_of_a_route_has_another_probe() -> None:
    changed = replace(ROUTE, shares=tuple(reversed(ROUTE.shares)))
    assert probe_path(rendered()) == probe_path(rendered())
    assert probe_path(rendered(changed)) != probe_path(rendered())
    assert probe_path(rendered()).startswith("/seldon/default/")


def test_probe_takes_precedence_over_the_routes_of_the_serving() -> None:
    first, *others = rendered()[-1]["spec"]["http"]
    assert first["directResponse"] == {"status": HTTPStatus.NO_CONTENT}
    assert others == istio_objects(ROUTE, INGRESS, ServicesOf())[-1]["spec"]["http"]


async def test_change_is_complete_when_the_gateway_has_received_it(gateway: Gateway, probe: RouteProbe) -> None:
    gateway.statuses = [HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.NO_CONTENT]
    objects = rendered()
    await probe(objects)
    assert gateway.paths == [probe_path(objects)] * 3


async def test_gateway_without_the_route_is_an_error_that_says_what_to_check(gateway: Gateway, url: URL) -> None:
    gateway.statuses = [HTTPStatus.NOT_FOUND]
    probe = probe_of(url, patience=0)
    with pytest.raises(DataPlaneError, match=r"has not received the route.*responds with 404.*CLUSTER_GATEWAY"):
        await probe(rendered())


async def test_gateway_that_requires_a_login_does_not_delay_a_change(gateway: Gateway, probe: RouteProbe) -> None:
    gateway.statuses = [HTTPStatus.UNAUTHORIZED]
    await probe(rendered())
    assert len(gateway.paths) == 1


async def test_removed_route_has_no_probe(gateway: Gateway, probe: RouteProbe) -> None:
    await probe(())
    assert gateway.paths == []


async def test_gateway_that_is_not_reachable_delays_only_the_first_change() -> None:
    connections = 0

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        probe = probe_of(URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), patience=0.5)
        await probe(rendered())
        assert connections > 1
        await others()  # the server accepts the connections of abandoned attempts
        before = connections
        await probe(rendered())
        assert connections - before <= 2  # aiohttp repeats a GET on a connection that was closed
