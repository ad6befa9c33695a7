"""The settings that all services have in common."""

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kleverproto.mistakes import mistakes_in

from .own_names import OwnNames


def allow_unsandboxed() -> bool:
    """Return whether models that may run code are also allowed without a complete sandbox."""
    return os.environ.get("KLEVER_ALLOW_UNSANDBOXED", "").lower() in {"1", "true", "yes"}


class ServiceSettings(BaseSettings):
    """Environment variables `KLEVER_…`; for one service, its name follows the prefix."""

    model_config = SettingsConfigDict(env_prefix="KLEVER_", extra="ignore", use_attribute_docstrings=True)

    nats_url: str = "nats://127.0.0.1:4222"
    """URLs of NATS servers, comma-separated."""
    nats_credentials: Path | None = None
    """File with the service's NKey seed, as created by `klever up`; required if the server requires credentials."""
    host: str = "127.0.0.1"
    """Address on which HTTP is served."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port on which HTTP is served; 0 lets the system choose."""
    names: str = ""
    """Additional names of this server, comma-separated: `host` for the default ports and its own, or `host:port`.
    Requests for another `Host`, or from a page of another `Origin`, are refused; loopback and the listening address are
    allowed."""
    token_file: Path | None = None
    """File with the token that `/metrics` requires; in the gateway, all paths except `/healthz` and `/readyz`."""
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    """Minimum level of log messages: debug, info, warning or error."""
    log_format: Annotated[str, Field(pattern="^(json|console)$")] = "json"
    """json for machines, console for people."""
    otlp_endpoint: str | None = None
    """URL to which spans are sent by OTLP over HTTP, such as http://127.0.0.1:4318; tracing is off if unset."""
    stream_replicas: Annotated[int, Field(ge=1, le=5)] | None = None
    """Replicas of each stream and bucket in a NATS cluster, existing ones included; if unset, new ones have one."""
    retry_delay_seconds: Annotated[float, Field(gt=0)] = 0.25
    """Pause before the second delivery of a message; it doubles with each further delivery."""
    retry_delay_cap_seconds: Annotated[float, Field(gt=0)] = 30.0
    """Longest pause between two deliveries."""

    @model_validator(mode="after")
    def _names_are_valid(self) -> Self:
        for name in self._all_names():
            try:
                OwnNames([name])
            except ValueError as error:
                raise ValueError(
                    f"{name!r} cannot be a name of this server, {error}: write host or host:port"
                ) from error
        return self

    def _all_names(self) -> list[str]:
        """All configured names of this server."""
        return split(self.names)

    @property
    def own_names(self) -> OwnNames:
        """The names of this server besides loopback and its listening address."""
        return OwnNames(self._all_names())

    @property
    def nats_servers(self) -> list[str]:
        """The NATS servers as a list."""
        return split(self.nats_url)


class PullingServiceSettings(ServiceSettings):
    """Settings of a service that pulls from and pushes to registries."""

    registry_address: str | None = None
    """host:port of the platform's own registry; only it receives the password in `registry_password_file`."""
    registry_password_file: Path | None = None
    """File with the password of the user `klever` in that registry. If unset, or for other registries, the service uses
    the credentials that `ormb login` or Docker store for its user."""
    registry_plain_http: bool = False
    """Use http for `registry_address`, as for all registries on this machine; other registries use https."""

    @model_validator(mode="after")
    def _registry_is_whole(self) -> Self:
        if (self.registry_address is None) != (self.registry_password_file is None):
            raise ValueError("registry_address and registry_password_file belong together: set both, or neither")
        return self


def split(text: str) -> list[str]:
    """The items of a comma-separated setting."""
    return [item.strip() for item in text.split(",") if item.strip()]


def explain(error: ValidationError, settings: type[ServiceSettings]) -> str:
    """Describe invalid settings, in one line for each with the environment variable."""
    prefix = settings.model_config.get("env_prefix", "")
    return "\n".join(
        f"{prefix}{each.place.replace('.', '_').upper()}: {each.message}" if each.place else each.message
        for each in mistakes_in(error, settings)
    )
