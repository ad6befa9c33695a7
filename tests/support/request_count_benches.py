"""Request counters of every backend, with real requests that they count."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from klever_deployer.adapters.kubernetes.metrics.names import ENVOY, ISTIO, MetricNames
from klever_deployer.adapters.kubernetes.metrics.prometheus import PrometheusClient
from klever_deployer.adapters.kubernetes.metrics.request_counts import MetricsOptions, PrometheusCounts
from klever_deployer.adapters.local.placed_routes import Endpoints
from klever_deployer.adapters.memory_data_plane import InMemoryDataPlane
from klever_deployer.domain.routing import ServingRoute
from klever_deployer.domain.versions import ServingName, VersionKey
from support.data_plane_benches import DataPlaneBench, DirectClient, HttpClient, in_memory, on_this_machine
from support.istio_gateway import INGRESS, IstioGateway, istiod_program, running_gateway
from support.istio_proxy import LOOPBACK
from support.kubernetes_routes import GRPC_PORT, HTTP_PORT, ServicesOf
from support.processes import free_port
from support.prometheus import Exporter, istio_metrics, running_exporter, running_prometheus

WINDOW_SECONDS = 10.0


def host_of(key: VersionKey) -> str:
    """The host of a version's Service."""
    return ServicesOf()(key).host(INGRESS.domain)


def prometheus_counts(client: PrometheusClient, names: MetricNames, window: float = WINDOW_SECONDS) -> PrometheusCounts:
    """Counters of the versions of tests."""
    options = MetricsOptions(names, window_seconds=window)
    return PrometheusCounts(client, options, lambda key: names.destinations(host_of(key), (HTTP_PORT, GRPC_PORT)))


@asynccontextmanager
async def scraped_counts(
    directory: Path, *exporters: Exporter, window: float = WINDOW_SECONDS
) -> AsyncIterator[PrometheusCounts]:
    """Counters from a Prometheus that scrapes these exporters."""
    with running_prometheus(directory, {exporter.address: "/metrics" for exporter in exporters}) as prometheus:
        async with PrometheusClient(prometheus.url) as client:
            yield prometheus_counts(client, ISTIO, window)


class IstioDataPlane:
    """See `ports.DataPlane`: istiod reads the routes from files. Only what counting needs."""

    drain_seconds = 0.0

    def __init__(self, gateway: IstioGateway, places: Mapping[VersionKey, Endpoints]) -> None:
        self._gateway = gateway
        self._places = places

    async def apply(self, route: ServingRoute) -> None:
        self._gateway.serve({key.variant: tuple(each.port for each in ends) for key, ends in self._places.items()})
        self._gateway.apply(route)

    async def remove(self, serving: ServingName) -> None:
        raise NotImplementedError

    def refusal(self, _route: ServingRoute) -> str | None:
        return None

    def is_up(self) -> bool:
        return True

    def served(self) -> set[ServingName]:
        return {key.serving for key in self._places}


@asynccontextmanager
async def local(directory: Path) -> AsyncIterator[DataPlaneBench]:
    async with on_this_machine(directory, free_port(), 1.0) as bench:
        yield bench


@asynccontextmanager
async def memory(directory: Path) -> AsyncIterator[DataPlaneBench]:
    async with in_memory(directory, 0, 1.0) as bench:
        yield bench


@asynccontextmanager
async def istio_standard_metrics(directory: Path) -> AsyncIterator[DataPlaneBench]:
    """Istio's own proxy is not available as a plain program: an exporter has the names and labels of its metrics."""
    data_plane, places = InMemoryDataPlane(), dict[VersionKey, Endpoints]()

    def render() -> str:
        return "".join(istio_metrics(host_of(key), counts) for key, counts in data_plane.counted.items())

    async with running_exporter(render) as exporter, scraped_counts(directory, exporter) as counts:
        yield DataPlaneBench(data_plane, counts, DirectClient(data_plane, places), places)


@asynccontextmanager
async def envoy_statistics(directory: Path) -> AsyncIterator[DataPlaneBench]:
    """A real Envoy, configured by istiod, and scraped by a real Prometheus."""
    places = dict[VersionKey, Endpoints]()
    async with running_gateway(istiod_program(), directory) as gateway:
        targets = {f"{LOOPBACK}:{gateway.admin_port}": "/stats/prometheus"}
        with running_prometheus(directory / "prometheus", targets) as prometheus:
            async with PrometheusClient(prometheus.url) as client:
                counts = prometheus_counts(client, ENVOY)
                yield DataPlaneBench(IstioDataPlane(gateway, places), counts, HttpClient(gateway.port), places)


BENCHES: dict[str, Callable[[Path], AbstractAsyncContextManager[DataPlaneBench]]] = {
    "memory": memory,
    "local": local,
    "prometheus-istio": istio_standard_metrics,
    "prometheus-envoy": envoy_statistics,
}
PARAMETERS = [
    pytest.param(name, marks=[pytest.mark.api_server] if name == "prometheus-envoy" else []) for name in BENCHES
]
