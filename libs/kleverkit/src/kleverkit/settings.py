"""What an operator may set, common to all services."""

import os
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kleverproto.mistakes import mistakes_in


def allow_unsandboxed() -> bool:
    """Whether the operator runs models that may run code without a complete sandbox too."""
    return os.environ.get("KLEVER_ALLOW_UNSANDBOXED", "").lower() in {"1", "true", "yes"}


class ServiceSettings(BaseSettings):
    """Environment variables `KLEVER_…`; a service's own have its name as a further prefix."""

    model_config = SettingsConfigDict(env_prefix="KLEVER_", extra="ignore", use_attribute_docstrings=True)

    nats_url: str = "nats://127.0.0.1:4222"
    """Servers of NATS, comma-separated."""
    host: str = "127.0.0.1"
    """Address on which HTTP is served."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port on which HTTP is served; 0 lets the system choose."""
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    """Least important message that is written: debug, info, warning or error."""
    log_format: Annotated[str, Field(pattern="^(json|console)$")] = "json"
    """json for machines, console for people."""
    otlp_endpoint: str | None = None
    """Where spans are sent by OTLP over HTTP, such as http://127.0.0.1:4318; off when not set."""
    stream_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """Copies of each stream and bucket in a NATS cluster."""
    retry_delay_seconds: Annotated[float, Field(gt=0)] = 0.25
    """Pause before the second try of a message; it doubles with each further one."""
    retry_delay_cap_seconds: Annotated[float, Field(gt=0)] = 30.0
    """Longest pause between two tries."""

    @property
    def nats_servers(self) -> list[str]:
        """The servers as a list."""
        return [server.strip() for server in self.nats_url.split(",")]


def explain(error: ValidationError, settings: type[ServiceSettings]) -> str:
    """What is wrong with settings, in a line for each that names the environment variable."""
    prefix = settings.model_config.get("env_prefix", "")
    return "\n".join(
        f"{prefix}{each.place.replace('.', '_').upper()}: {each.message}" if each.place else each.message
        for each in mistakes_in(error, settings)
    )
