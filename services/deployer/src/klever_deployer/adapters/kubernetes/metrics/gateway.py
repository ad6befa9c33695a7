"""The metrics of the cluster's gateway, as the settings name them."""

from typing import Self

from klever_deployer.adapters.kubernetes.kinds import name_of
from klever_deployer.settings import DeployerSettings
from kleverkube.services import GRPC_SERVICE_PORT, HTTP_SERVICE_PORT
from kleverroutes.versions import VersionKey

from .names import ENVOY, ISTIO
from .prometheus import PrometheusClient
from .request_counts import MetricsOptions, PrometheusCounts
from .uncounted import UncountedRequests

DOMAIN = "cluster.local"
"""The DNS domain of the cluster."""


class GatewayMetrics:
    """Provides the request counters. It is entered before they are read.

    Args:
        settings: which Prometheus, and which metrics.
    """

    def __init__(self, settings: DeployerSettings) -> None:
        self._client: PrometheusClient | None = None
        self.counts: PrometheusCounts | UncountedRequests = UncountedRequests()
        if settings.prometheus_url is not None:
            self._client = PrometheusClient(
                settings.prometheus_url, settings.prometheus_token_file, settings.prometheus_ca_file
            )
            self._names = {"istio": ISTIO, "envoy": ENVOY}[settings.prometheus_metrics]
            options = MetricsOptions(self._names, settings.prometheus_labels, settings.prometheus_window_seconds)
            self.counts = PrometheusCounts(self._client, options, self._destinations)

    async def __aenter__(self) -> Self:
        """Raises DataPlaneError."""
        if self._client is not None:
            await self._client.__aenter__()
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._client is not None:
            await self._client.__aexit__()

    def _destinations(self, key: VersionKey) -> list[str]:
        host = f"{name_of(key)}.{key.serving.namespace}.svc.{DOMAIN}"
        return self._names.destinations(host, (HTTP_SERVICE_PORT, GRPC_SERVICE_PORT))
