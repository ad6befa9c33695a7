"""Request counters of every backend, with real requests that they count."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from klever_deployer.adapters.local.placed_routes import Endpoints
from klever_deployer.adapters.memory_data_plane import InMemoryDataPlane
from kleverroutes.versions import VersionKey
from support.cluster_data_plane import on_cluster
from support.data_plane_benches import DataPlaneBench, DirectClient, in_memory, on_this_machine
from support.processes import free_port
from support.prometheus import istio_metrics, running_exporter
from support.scraped_counts import host_of, scraped_counts

Kubeconfig = Callable[[], Path]


@asynccontextmanager
async def local(directory: Path, _kubeconfig: Kubeconfig) -> AsyncIterator[DataPlaneBench]:
    async with on_this_machine(directory, free_port(), 1.0) as bench:
        yield bench


@asynccontextmanager
async def memory(directory: Path, _kubeconfig: Kubeconfig) -> AsyncIterator[DataPlaneBench]:
    async with in_memory(directory, 0, 1.0) as bench:
        yield bench


@asynccontextmanager
async def istio_standard_metrics(directory: Path, _kubeconfig: Kubeconfig) -> AsyncIterator[DataPlaneBench]:
    """Istio's own proxy is not available as a plain program: an exporter has the names and labels of its metrics."""
    data_plane, places = InMemoryDataPlane(), dict[VersionKey, Endpoints]()

    def render() -> str:
        return "".join(istio_metrics(host_of(key), counts) for key, counts in data_plane.counted.items())

    async with running_exporter(render) as exporter, scraped_counts(directory, exporter) as counts:
        yield DataPlaneBench(data_plane, counts, DirectClient(data_plane, places), places)


@asynccontextmanager
async def envoy_statistics(directory: Path, kubeconfig: Kubeconfig) -> AsyncIterator[DataPlaneBench]:
    """A real Envoy, configured by istiod, and scraped by a real Prometheus."""
    async with on_cluster(directory, kubeconfig()) as bench:
        yield bench


BENCHES: dict[str, Callable[[Path, Kubeconfig], AbstractAsyncContextManager[DataPlaneBench]]] = {
    "memory": memory,
    "local": local,
    "prometheus-istio": istio_standard_metrics,
    "kubernetes": envoy_statistics,
}
