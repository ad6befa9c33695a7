"""Options of the operator for the routes of a cluster."""

from dataclasses import dataclass
from typing import Literal

RouteKind = Literal["istio", "gateway-api"]
DEFAULT_GATEWAY = "istio-system/kleveross-gateway"
GATEWAY_PATTERN = r"^[-a-z0-9]+/[-a-z0-9.]+$"
EXTENSION_PATTERN = r"^[-a-z0-9.]+/[A-Za-z0-9]+/[-a-z0-9.]+$"


@dataclass(frozen=True)
class RouteOptions:
    """Settings that the routes of all servings share."""

    kind: RouteKind = "istio"
    """Routes are VirtualServices and DestinationRules, or HTTPRoutes."""
    gateway: str = DEFAULT_GATEWAY
    """Namespace and name of the Gateway object by which requests enter the cluster, separated by a slash."""
    sticky_extension: str | None = None
    """Filter of the gateway, `group/kind/name`, that keeps clients at a version; only for the Gateway API."""
    retries_extension: str | None = None
    """Filter of the gateway, `group/kind/name`, that retries requests; only for the Gateway API."""
