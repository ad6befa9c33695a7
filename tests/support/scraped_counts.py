"""Request counters of the versions of tests, from a real Prometheus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from klever_deployer.adapters.kubernetes.metrics.names import ISTIO, MetricNames
from klever_deployer.adapters.kubernetes.metrics.prometheus import PrometheusClient
from klever_deployer.adapters.kubernetes.metrics.request_counts import MetricsOptions, PrometheusCounts
from kleverroutes.versions import VersionKey
from support.istio_gateway import INGRESS
from support.kubernetes_routes import GRPC_PORT, HTTP_PORT, ServicesOf
from support.prometheus import Exporter, running_prometheus

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
