"""What an operator may set, common to all services."""

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kleverproto.mistakes import mistakes_in

from .own_names import OwnNames


def allow_unsandboxed() -> bool:
    """Whether the operator runs models that may run code without a complete sandbox too."""
    return os.environ.get("KLEVER_ALLOW_UNSANDBOXED", "").lower() in {"1", "true", "yes"}


class ServiceSettings(BaseSettings):
    """Environment variables `KLEVER_…`; a service's own have its name as a further prefix."""

    model_config = SettingsConfigDict(env_prefix="KLEVER_", extra="ignore", use_attribute_docstrings=True)

    nats_url: str = "nats://127.0.0.1:4222"
    """Servers of NATS, comma-separated."""
    nats_credentials: Path | None = None
    """File with the service's NKey seed, as `klever up` makes it; without it the server must require no credentials."""
    host: str = "127.0.0.1"
    """Address on which HTTP is served."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port on which HTTP is served; 0 lets the system choose."""
    names: str = ""
    """Further names of this server, comma-separated: `host` on the usual ports or its own, or `host:port`. Requests for
    another `Host`, or from a page of another `Origin`, are refused; loopback and the address listened on are known."""
    token_file: Path | None = None
    """File with the token that `/metrics` requires, and in the gateway everything but `/healthz` and `/readyz`."""
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    """Least important message that is written: debug, info, warning or error."""
    log_format: Annotated[str, Field(pattern="^(json|console)$")] = "json"
    """json for machines, console for people."""
    otlp_endpoint: str | None = None
    """Where spans are sent by OTLP over HTTP, such as http://127.0.0.1:4318; off when not set."""
    stream_replicas: Annotated[int, Field(ge=1, le=5)] | None = None
    """Copies of each stream and bucket in a NATS cluster, also of existing ones; if not set, new ones have one copy."""
    retry_delay_seconds: Annotated[float, Field(gt=0)] = 0.25
    """Pause before the second try of a message; it doubles with each further one."""
    retry_delay_cap_seconds: Annotated[float, Field(gt=0)] = 30.0
    """Longest pause between two tries."""

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
        """Every name that the settings give this server."""
        return split(self.names)

    @property
    def own_names(self) -> OwnNames:
        """What this server is called besides loopback and the address that it listens on."""
        return OwnNames(self._all_names())

    @property
    def nats_servers(self) -> list[str]:
        """The servers as a list."""
        return split(self.nats_url)


class PullingServiceSettings(ServiceSettings):
    """Those of a service that pulls from registries and pushes to them."""

    registry_address: str | None = None
    """host:port of the platform's own registry: the only one that gets the password in `registry_password_file`."""
    registry_password_file: Path | None = None
    """File with the password of the user `klever` there. Without it, and for other registries, what `ormb login` or
    Docker keep for the user that runs the service is sent."""

    @model_validator(mode="after")
    def _registry_is_whole(self) -> Self:
        if (self.registry_address is None) != (self.registry_password_file is None):
            raise ValueError("registry_address and registry_password_file belong together: set both, or neither")
        return self


def split(text: str) -> list[str]:
    """The items of a comma-separated setting."""
    return [item.strip() for item in text.split(",") if item.strip()]


def explain(error: ValidationError, settings: type[ServiceSettings]) -> str:
    """What is wrong with settings, in a line for each that names the environment variable."""
    prefix = settings.model_config.get("env_prefix", "")
    return "\n".join(
        f"{prefix}{each.place.replace('.', '_').upper()}: {each.message}" if each.place else each.message
        for each in mistakes_in(error, settings)
    )
