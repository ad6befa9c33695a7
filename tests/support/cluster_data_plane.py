"""The data plane of a cluster: a real API server, and a real Envoy that istiod configures from its objects."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from klever_deployer.adapters.kubernetes.data_plane import ClusterDataPlane
from klever_deployer.adapters.kubernetes.metrics.names import ENVOY
from klever_deployer.adapters.kubernetes.metrics.prometheus import PrometheusClient
from klever_deployer.adapters.kubernetes.refusals import RefusedServingError
from klever_deployer.adapters.kubernetes.route_probes import RouteProbe
from klever_deployer.adapters.local.placed_routes import Endpoints
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import DESTINATION_RULES, VIRTUAL_SERVICES
from kleverroutes.kubernetes.istio import istio_objects, istio_refusals
from kleverroutes.kubernetes.probes import with_probe
from kleverroutes.routing import ServingRoute
from kleverroutes.versions import VersionKey
from support.custom_definitions import ISTIO, install
from support.data_plane_benches import DataPlaneBench, HttpClient
from support.istio_gateway import INGRESS, IstioGateway, istiod_program, running_gateway
from support.istio_proxy import LOOPBACK
from support.kubernetes_routes import ServicesOf
from support.loops import running_loops
from support.prometheus import running_prometheus
from support.route_stream import follow_routes
from support.scraped_counts import prometheus_counts

SERVICES = ServicesOf()


class PlacedDataPlane(ClusterDataPlane):
    """Makes the Services known before each route, as they are on a cluster, where they are older than ready pods."""

    def __init__(self, api: KubernetesApi, gateway: IstioGateway, places: dict[VersionKey, Endpoints]) -> None:
        super().__init__(
            api,
            ClusterOptions(),
            _render,
            lambda route: istio_refusals(route, SERVICES),
            (DESTINATION_RULES, VIRTUAL_SERVICES),
            RouteProbe(f"http://{LOOPBACK}:{gateway.port}"),
        )
        self._gateway = gateway
        self._places = places

    async def apply(self, route: ServingRoute) -> None:
        await self.place()
        await super().apply(route)

    async def place(self) -> None:
        await self._gateway.place_known(
            {SERVICES(key): tuple(each.port for each in ends) for key, ends in self._places.items()}
        )


def _render(route: ServingRoute) -> list[Manifest]:
    return with_probe(istio_objects(route, INGRESS, SERVICES), route.serving)


@asynccontextmanager
async def on_cluster(directory: Path, kubeconfig: Path) -> AsyncIterator[DataPlaneBench]:
    """A data plane on the API server of a kubeconfig, whose requests a real Prometheus counts."""
    places = dict[VersionKey, Endpoints]()
    async with connected(kubeconfig) as client, running_gateway(istiod_program(), directory) as gateway:
        await install(client, *ISTIO)
        api = KubernetesApi(client, refused=RefusedServingError)
        data_plane = PlacedDataPlane(api, gateway, places)
        await data_plane.load()
        targets = {f"{LOOPBACK}:{gateway.admin_port}": "/stats/prometheus"}
        with running_prometheus(directory / "prometheus", targets) as prometheus:
            async with PrometheusClient(prometheus.url) as counters:
                bench = DataPlaneBench(
                    data_plane,
                    prometheus_counts(counters, ENVOY),
                    HttpClient(gateway.port),
                    places,
                    shares_by_header=False,
                )
                follow, place = partial(follow_routes, api, gateway), partial(_follow_places, bench, data_plane)
                watches = [each.run for each in data_plane.watched.values()]
                async with running_loops(follow, place, *watches):
                    yield bench


async def _follow_places(bench: DataPlaneBench, data_plane: PlacedDataPlane) -> None:
    while await bench.moved.take():
        await data_plane.place()
