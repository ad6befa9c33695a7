"""Routes on a cluster: which objects are applied, in which order, and which are deleted."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiohttp import web
from kubernetes_asyncio.client import ApiClient

from klever_deployer.adapters.kubernetes.data_plane import ClusterDataPlane
from klever_deployer.adapters.kubernetes.refusals import RefusedServingError
from klever_deployer.adapters.kubernetes.route_probes import Settle
from klever_deployer.errors import DataPlaneError, RefusedByProxyError
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.resources import DESTINATION_RULES, VIRTUAL_SERVICES
from kleverroutes.routing import RoutedVersion, ServingRoute, Share
from support.data_planes import version_key
from support.deployer import IRIS
from support.scripted_api import scripted_api

V1, V2 = version_key("v1"), version_key("v2")


class Cluster:
    """Stores applied objects; refuses or fails on request of a test."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests: list[str] = []
        self.status = 200
        self.version = 0

    async def handle(self, request: web.Request) -> web.Response:
        path, kind = request.path, request.path.split("/")[-2]
        if self.status != 200:
            return web.json_response({"message": "no"}, status=self.status)
        if request.method == "GET":
            plural = path.rsplit("/", 1)[1]
            items = [each for name, each in self.objects.items() if f"/{plural}/" in name]
            return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": items})
        self.requests.append(f"{request.method} {kind} {path.rsplit('/', 1)[1]}")
        if request.method == "DELETE":
            return web.json_response(self.objects.pop(path, {}))
        applied = await request.json()
        present = self.objects.get(path)
        if present is None or present.get("spec") != applied.get("spec"):
            self.version += 1
            metadata = {**applied["metadata"], "uid": path, "resourceVersion": str(self.version)}
            self.objects[path] = {**applied, "metadata": metadata}
        return web.json_response(self.objects[path])


def render(route: ServingRoute) -> list[dict[str, Any]]:
    """A rule for each version, then the route."""
    rules = [_object("DestinationRule", version.key.variant) for version in route.versions]
    spec = {"versions": [version.key.variant for version in route.versions]}
    return [*rules, {**_object("VirtualService", route.serving.name), "spec": spec}]


def _object(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}}


async def immediately(_objects: Sequence[Manifest]) -> None:
    """Proxies receive each change at once."""


def route(*keys: Any) -> ServingRoute:
    return ServingRoute(IRIS, tuple(map(RoutedVersion, keys)), tuple(Share(key, 1) for key in keys))


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[ApiClient]:
    async with scripted_api(cluster.handle) as client:
        yield client


@pytest.fixture
async def data_plane(client: ApiClient) -> ClusterDataPlane:
    return await loaded(client, immediately)


async def loaded(client: ApiClient, settle: Settle) -> ClusterDataPlane:
    kinds = (DESTINATION_RULES, VIRTUAL_SERVICES)
    plane = ClusterDataPlane(
        KubernetesApi(client, refused=RefusedServingError),
        ClusterOptions(),
        render,
        lambda route: [f"{route.serving} is refused", "always"],
        kinds,
        settle,
    )
    await plane.load()
    return plane


async def test_rules_are_applied_before_the_route_and_deleted_after_it(
    cluster: Cluster, data_plane: ClusterDataPlane
) -> None:
    await data_plane.apply(route(V1))
    assert cluster.requests == ["PATCH destinationrules v1", "PATCH virtualservices iris"]
    assert data_plane.served() == {IRIS}
    cluster.requests.clear()
    await data_plane.apply(route(V2))
    assert cluster.requests == ["PATCH destinationrules v2", "PATCH virtualservices iris", "DELETE destinationrules v1"]


async def test_a_route_that_is_as_it_was_applied_makes_no_request(
    cluster: Cluster, data_plane: ClusterDataPlane
) -> None:
    await data_plane.apply(route(V1))
    cluster.requests.clear()
    await data_plane.apply(route(V1))
    assert cluster.requests == []


async def test_a_route_that_others_have_changed_is_applied_again(
    cluster: Cluster, data_plane: ClusterDataPlane
) -> None:
    await data_plane.apply(route(V1))
    cluster.requests.clear()
    changed = next(each for name, each in cluster.objects.items() if name.endswith("/iris"))
    data_plane.watched[VIRTUAL_SERVICES].put(
        {**changed, "metadata": {**changed["metadata"], "resourceVersion": str(cluster.version + 1)}}
    )
    await data_plane.apply(route(V1))
    assert cluster.requests == ["PATCH virtualservices iris"]


async def test_a_removed_route_is_deleted_before_its_rules(cluster: Cluster, data_plane: ClusterDataPlane) -> None:
    await data_plane.apply(route(V1))
    cluster.requests.clear()
    for _ in range(2):
        await data_plane.remove(IRIS)
    assert cluster.requests == ["DELETE virtualservices iris", "DELETE destinationrules v1"]
    assert data_plane.served() == set()


async def test_the_next_deployer_deletes_what_the_last_one_has_left(
    cluster: Cluster, data_plane: ClusterDataPlane
) -> None:
    await data_plane.apply(route(V1))
    await data_plane.load()
    assert data_plane.served() == {IRIS}
    await data_plane.remove(IRIS)
    assert cluster.objects == {}


async def test_objects_have_the_labels_of_their_owner(cluster: Cluster, data_plane: ClusterDataPlane) -> None:
    await data_plane.apply(route(V1))
    for each in cluster.objects.values():
        assert each["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "klever",
            "klever.dev/platform": "klever",
            "klever.dev/serving": "iris",
        }


@pytest.mark.parametrize(
    ("status", "error"), [(422, RefusedByProxyError), (403, RefusedByProxyError), (503, DataPlaneError)]
)
async def test_errors_say_whether_a_retry_helps(
    cluster: Cluster, data_plane: ClusterDataPlane, status: int, error: type[Exception]
) -> None:
    cluster.status = status
    with pytest.raises(error):
        await data_plane.apply(route(V1))


def test_a_refusal_has_all_reasons(data_plane: ClusterDataPlane) -> None:
    assert data_plane.refusal(route(V1)) == "default/iris is refused; always"


async def test_change_that_proxies_have_not_received_is_waited_for_again(client: ApiClient) -> None:
    received = False
    waits = 0

    async def settle(_objects: Sequence[Manifest]) -> None:
        nonlocal waits
        waits += 1
        if not received:
            raise DataPlaneError("the gateway has not received the route")

    data_plane = await loaded(client, settle)
    for _ in range(2):
        with pytest.raises(DataPlaneError):
            await data_plane.apply(route(V1))
    received = True
    for _ in range(2):
        await data_plane.apply(route(V1))
    assert waits == 3
