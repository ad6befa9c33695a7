"""Settings of the gateway."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict
from yarl import URL

from kleverkit.directories import home_directory
from kleverkit.settings import ServiceSettings
from kleverproto.references import DNS_LABEL_PATTERN


class GatewaySettings(ServiceSettings):
    """Environment variables `KLEVER_GATEWAY_…`."""

    model_config = SettingsConfigDict(env_prefix="KLEVER_GATEWAY_", extra="ignore", use_attribute_docstrings=True)

    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port on which the API is served; 0 lets the system choose."""
    data_dir: Path = Field(default_factory=lambda: home_directory() / "gateway")
    """Directory of the projection's SQLite file. The file may be deleted at any time; the gateway rebuilds it."""
    registry_url: str = "http://127.0.0.1:5000"
    """URL of the registry that `/platform` reports."""
    registry_address: str | None = None
    """host:port of the platform's registry in the catalogue (`KLEVER_REGISTRY_PUBLIC_ADDRESS`), by default that of
    `registry_url`. The gateway accepts deletions of versions in this registry only."""
    ingress_url: str = "http://127.0.0.1:8081"
    """URL of the ingress that `/platform` reports."""
    public_url: str = "http://127.0.0.1:8080"
    """URL of this API that `/platform` reports."""
    open: bool = False
    """Disable authentication: every request that reaches the gateway is allowed."""
    allow_commands: bool = False
    """Accept servings with `custom.command`. Users with the right to deploy can then run programs as the deployer's
    user."""
    model_wait_seconds: Annotated[float, Field(ge=0)] = 2.0
    """Longest wait of a request for a model version that was just pushed."""
    decision_seconds: Annotated[float, Field(ge=0)] = 3.0
    """Longest wait for the deployer's decision about a request with a precondition (If-Match, a new serving, a
    rollout action)."""
    restore_seconds: Annotated[float, Field(ge=0)] = 300.0
    """Time for which the gateway shows documents of a lost bucket that their owner has not restored."""
    keep_alive_seconds: Annotated[float, Field(gt=0)] = 15.0
    """Pause between two comments on a silent event stream, so that proxies keep it open."""
    slow_client_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Time after which a client that reads nothing from its event stream is disconnected."""

    custom_resources: bool = False
    """Accept ModelJob and Serving resources of a Kubernetes cluster, and write their statuses. Replicas of the gateway
    elect the one that does."""
    kubeconfig: Path | None = None
    """Credentials for the cluster; by default the pod's ServiceAccount, `$KUBECONFIG` or `~/.kube/config`."""
    custom_resource_namespaces: tuple[Annotated[str, Field(pattern=DNS_LABEL_PATTERN)], ...] = ()
    """Namespaces of the cluster whose resources the platform manages, as JSON; all by default. Others are ignored."""
    mirror_jobs: bool = False
    """Show jobs that were requested by other clients as ModelJobs, in the namespaces that exist in the cluster."""

    @property
    def registry(self) -> str:
        """host:port of the platform's registry."""
        return self.registry_address or urlsplit(self.registry_url).netloc

    @model_validator(mode="after")
    def _authentication_is_configured(self) -> Self:
        if self.open == (self.token_file is not None):
            raise ValueError(
                "authentication is not configured: set KLEVER_GATEWAY_TOKEN_FILE=<file with 32 random characters>, "
                "as `klever up` does, or KLEVER_GATEWAY_OPEN=1 to disable authentication, but not both"
            )
        return self

    def _all_names(self) -> list[str]:
        public = [URL(self.public_url).authority] if "public_url" in self.model_fields_set else []
        return [*super()._all_names(), *public]
