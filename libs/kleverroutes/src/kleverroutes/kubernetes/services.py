"""The Services that requests are routed to, one for each version."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kleverroutes.versions import VersionKey

Json = dict[str, Any]


@dataclass(frozen=True)
class VersionService:
    """The Service of a version."""

    name: str
    namespace: str
    http_port: int
    grpc_port: int | None = None
    """None if the version's servers do not support gRPC."""

    def host(self, domain: str) -> str:
        """The host name in a cluster with this DNS domain."""
        return f"{self.name}.{self.namespace}.svc.{domain}"


Services = Callable[[VersionKey], VersionService]
"""Finds the Service of a version; the Service exists before requests are routed to it."""
