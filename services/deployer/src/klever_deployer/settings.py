"""The deployer's settings."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from kleverkit.directories import home_directory, toolchains_directory
from kleverkit.settings import PullingServiceSettings, allow_unsandboxed
from kleverkube.options import KServeMode
from kleverkube.settings import ClusterSettings
from kleverproto.references import DNS_LABEL_PATTERN
from kleverroutes.kubernetes.options import DEFAULT_GATEWAY, EXTENSION_PATTERN, GATEWAY_PATTERN, RouteKind

MAX_REQUEST_BYTES = 64 * 1024 * 1024
PROMETHEUS_PATTERN = r"^https?://[^\s@]+$"


class DeployerSettings(ClusterSettings, PullingServiceSettings):
    """Environment variables `KLEVER_DEPLOYER_…`."""

    model_config = SettingsConfigDict(env_prefix="KLEVER_DEPLOYER_", extra="ignore", use_attribute_docstrings=True)

    work_dir: Path = Field(default_factory=lambda: home_directory() / "deployer")
    """Served models, Envoy's configuration, logs, and records of running processes; read again after a restart."""
    ingress_host: str = "127.0.0.1"
    """Address on which Envoy listens for inference requests."""
    ingress_port: Annotated[int, Field(ge=1, le=65535)] = 8081
    """Port on which Envoy listens for inference requests."""
    ingress_public_url: str | None = None
    """URL by which clients reach the ingress; derived from host and port by default."""
    max_request_bytes: Annotated[int, Field(ge=1024, le=2**31 - 1024)] = MAX_REQUEST_BYTES
    """Largest body of an inference request, compressed and decompressed, and largest gRPC message, in bytes."""
    ready_timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    """Time after which a model server that is not ready counts as failed."""
    grace_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Longest time that requests in flight may take to complete when a model server is stopped."""
    stop_on_exit: bool = True
    """Stop model servers and the ingress when the deployer is stopped by a signal. If off, they continue to serve, and
    the next deployer adopts them."""
    allow_commands: bool = False
    """Run servings with `custom.command`. Everyone who may deploy can then run programs as this service's user. If this
    is turned off, such servings are stopped and become Failed."""
    resync_seconds: Annotated[float, Field(gt=0)] = 30.0
    """Interval at which all servings are reconciled, in case an event was missed."""
    secrets: Path = Field(default_factory=lambda: home_directory() / "secrets")
    """Secrets that servings refer to as `{secret: …}` in `env`; written by `klever secrets`."""
    allow_unsandboxed: bool = Field(default_factory=allow_unsandboxed)
    """Serve models that may run code without a complete sandbox; `KLEVER_ALLOW_UNSANDBOXED` sets it everywhere."""
    toolchains: Path = Field(default_factory=toolchains_directory)
    """Environments of model servers, created on first use; `KLEVER_TOOLCHAINS` sets it for every command."""

    backend: Literal["local", "plain", "seldon", "kserve", "cluster"] = "local"
    """Backend for servings: `local` processes of this machine, or on a Kubernetes cluster `plain` Deployments,
    SeldonDeployments of `seldon`, or InferenceServices of `kserve`. `cluster` is `seldon` where Seldon Core is
    installed, and else `plain`."""
    cluster_namespace: Annotated[str, Field(pattern=DNS_LABEL_PATTERN)] = "klever"
    """Namespace with a copy of each serving, from which servings are restored. It must exist."""
    cluster_routes: RouteKind = "istio"
    """Routes on a cluster are VirtualServices and DestinationRules, or HTTPRoutes."""
    cluster_gateway: Annotated[str, Field(pattern=GATEWAY_PATTERN)] = DEFAULT_GATEWAY
    """Namespace and name of the Gateway object by which requests enter the cluster."""
    cluster_kserve_mode: KServeMode = "Standard"
    """Mode of InferenceServices without Knative: `RawDeployment` before KServe 0.16."""
    cluster_client_namespaces: dict[str, str] = Field(default_factory=dict)
    """Labels of the namespaces whose pods may connect to model servers, as JSON, for example
    `{"kubernetes.io/metadata.name": "istio-system"}` for those of the gateway; all pods of the cluster by default."""
    cluster_sticky_extension: Annotated[str, Field(pattern=EXTENSION_PATTERN)] | None = None
    """Filter of the gateway, `group/kind/name`, that keeps clients of servings with `traffic.sticky` at a version. Only
    for the Gateway API; the filter is in the namespace of the serving."""
    cluster_retries_extension: Annotated[str, Field(pattern=EXTENSION_PATTERN)] | None = None
    """Filter of the gateway, `group/kind/name`, that retries requests of all servings. Only for the Gateway API."""
    cluster_scaling: Literal["cpu", "requests"] = "cpu"
    """Metric for `autoscaling` on a cluster: `cpu` by a HorizontalPodAutoscaler, or `requests` in flight
    (`targetInFlight`) by the deployer, which needs `KLEVER_DEPLOYER_PROMETHEUS_URL`."""

    prometheus_url: Annotated[str, Field(pattern=PROMETHEUS_PATTERN)] | None = None
    """URL of the Prometheus that scrapes the gateway of the cluster, or of a server with the same API. Canaries are
    analysed by its metrics."""
    prometheus_token_file: Path | None = None
    """File with a bearer token for Prometheus; it is read for each query."""
    prometheus_ca_file: Path | None = None
    """PEM file with the certificate authorities of Prometheus; by default those of the system."""
    prometheus_metrics: Literal["istio", "envoy"] = "istio"
    """Istio's standard metrics (`istio_requests_total`), or Envoy's statistics of clusters
    (`envoy_cluster_upstream_rq_completed`), which the gateway must expose."""
    prometheus_labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the metrics of this cluster, as JSON, if Prometheus has those of several clusters or gateways."""
    prometheus_window_seconds: Annotated[float, Field(ge=2, le=300)] = 60.0
    """Older metrics are not used, and requests in flight are averaged over this time. At least twice the interval at
    which the gateway is scraped."""

    @model_validator(mode="after")
    def _scales_by_metrics(self) -> Self:
        if self.cluster_scaling == "requests" and self.prometheus_url is None:
            raise ValueError("cluster_scaling `requests` needs prometheus_url")
        return self

    @property
    def ingress_url(self) -> str:
        """The URL by which clients reach the ingress."""
        return (self.ingress_public_url or f"http://{self.ingress_host}:{self.ingress_port}").rstrip("/")
