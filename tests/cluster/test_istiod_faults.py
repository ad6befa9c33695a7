"""Istio's control plane is killed while routes change: proxies keep their routes, and the change is made later."""

from functools import partial

import aiohttp
import pytest

from klever_deployer.adapters.kubernetes.data_plane import ClusterDataPlane
from klever_deployer.adapters.kubernetes.kinds import name_of
from klever_deployer.adapters.kubernetes.refusals import RefusedServingError
from klever_deployer.domain.versions import VersionSpec
from klever_deployer.errors import DataPlaneError
from kleverkube.options import ClusterOptions
from kleverkube.services import HTTP_SERVICE_PORT
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import DESTINATION_RULES, VIRTUAL_SERVICES
from kleverroutes.kubernetes.istio import istio_objects
from kleverroutes.kubernetes.services import VersionService
from kleverroutes.kubernetes.virtual_services import IstioIngress
from kleverroutes.routing import RoutedVersion, ServingRoute, Share
from kleverroutes.versions import ServingName, VersionKey
from support.cluster.cluster import Cluster
from support.cluster.gateway import Gateway
from support.cluster.workloads import busybox_version, running_workloads
from support.waiting import eventually

WITHIN = 180.0
ANSWER = "mkdir -p /tmp/www; echo {} > /tmp/www/index.html; exec busybox httpd -f -p 8080 -h /tmp/www"
PATH = "/seldon/{}/iris/"


def service_of(key: VersionKey) -> VersionService:
    return VersionService(name_of(key), key.serving.namespace, HTTP_SERVICE_PORT)


def route(spec: VersionSpec) -> ServingRoute:
    serving = spec.key.serving
    return ServingRoute(serving, (RoutedVersion(spec.key, custom=True),), (Share(spec.key, 1),))


async def test_a_route_that_cannot_be_validated_is_applied_later(
    cluster_with_initializer: Cluster, cluster_namespace: str, istio_gateway: Gateway
) -> None:
    serving = ServingName(cluster_namespace, "iris")
    first, second = (
        busybox_version(cluster_with_initializer, serving, name, ANSWER.format(name)) for name in ("first", "second")
    )
    render = partial(
        istio_objects, ingress=IstioIngress(gateways=("istio-system/klever-gateway",)), services=service_of
    )
    async with (
        running_workloads(cluster_with_initializer) as workloads,
        connected(cluster_with_initializer.kubeconfig) as client,
        aiohttp.ClientSession(istio_gateway.url) as session,
    ):
        api = KubernetesApi(client, refused=RefusedServingError)
        kinds = (DESTINATION_RULES, VIRTUAL_SERVICES)
        data_plane = ClusterDataPlane(api, ClusterOptions(), render, lambda _route: [], kinds)
        await data_plane.load()
        for spec in (first, second):
            await workloads.apply(spec, 1)

        async def are_ready() -> bool:
            return [state.ready for state in workloads.states(serving)] == [1, 1]

        async def answers(expected: str) -> bool:
            async with session.get(PATH.format(cluster_namespace)) as response:
                return response.status == 200 and (await response.text()).strip() == expected

        await eventually(are_ready, within=WITHIN, every=0.2)
        await data_plane.apply(route(first))
        await eventually(lambda: answers("first"), within=WITHIN, every=0.1)
        cluster_with_initializer.stop("istiod")
        try:
            await eventually(lambda: is_refused(data_plane, route(second)), within=WITHIN, every=0.2)
            assert await answers("first")
        finally:
            cluster_with_initializer.start("istiod")
        await eventually(lambda: is_applied(data_plane, route(second)), within=WITHIN, every=0.5)
        await eventually(lambda: answers("second"), within=WITHIN, every=0.1)
        await data_plane.remove(serving)


async def is_refused(data_plane: ClusterDataPlane, changed: ServingRoute) -> bool:
    with pytest.raises(DataPlaneError, match="failed calling webhook"):
        await data_plane.apply(changed)
    return True


async def is_applied(data_plane: ClusterDataPlane, changed: ServingRoute) -> bool:
    try:
        await data_plane.apply(changed)
    except DataPlaneError:
        return False
    return True
