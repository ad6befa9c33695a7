"""What an operator may set for the deployer."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kleverkit.directories import home_directory, toolchains_directory
from kleverkit.settings import PullingServiceSettings, allow_unsandboxed

MAX_REQUEST_BYTES = 64 * 1024 * 1024


class DeployerSettings(PullingServiceSettings):
    """Environment variables `KLEVER_DEPLOYER_…`."""

    model_config = SettingsConfigDict(env_prefix="KLEVER_DEPLOYER_", extra="ignore", use_attribute_docstrings=True)

    work_dir: Path = Field(default_factory=lambda: home_directory() / "deployer")
    """Models that are served, Envoy's configuration, logs, and what runs: read again after a restart."""
    ingress_host: str = "127.0.0.1"
    """Address on which Envoy takes requests for models."""
    ingress_port: Annotated[int, Field(ge=1, le=65535)] = 8081
    """Port on which Envoy takes requests for models."""
    ingress_public_url: str | None = None
    """How clients reach the ingress; from host and port by default."""
    max_request_bytes: Annotated[int, Field(ge=1024, le=2**31 - 1024)] = MAX_REQUEST_BYTES
    """Largest body of an inference request, as it is sent and once it is unpacked, and largest message by gRPC."""
    ready_timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    """A model server that is not ready after this long has failed."""
    grace_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Longest time for requests in flight when a model server is stopped."""
    stop_on_exit: bool = True
    """Stop model servers and the ingress when the deployer is stopped by a signal. If off, they continue to serve, and
    the next deployer adopts them."""
    allow_commands: bool = False
    """Run servings with `custom.command`: whoever may deploy then runs programs as this service's user. What ran is
    stopped and Failed once this is off."""
    resync_seconds: Annotated[float, Field(gt=0)] = 30.0
    """Pause between two looks at everything, should an event have been missed."""
    secrets: Path = Field(default_factory=lambda: home_directory() / "secrets")
    """What servings name as `{secret: …}` in `env`; `klever secrets` writes it."""
    allow_unsandboxed: bool = Field(default_factory=allow_unsandboxed)
    """Serve models that may run code without a complete sandbox; all services: `KLEVER_ALLOW_UNSANDBOXED`."""
    toolchains: Path = Field(default_factory=toolchains_directory)
    """Environments of model servers, made on first use; `KLEVER_TOOLCHAINS` sets it for every command."""

    @property
    def ingress_url(self) -> str:
        """How clients reach the ingress."""
        return (self.ingress_public_url or f"http://{self.ingress_host}:{self.ingress_port}").rstrip("/")
