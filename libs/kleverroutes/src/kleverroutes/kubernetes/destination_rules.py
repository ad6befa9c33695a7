"""A DestinationRule of Istio for each version: connections, the choice of a replica, and unreachable replicas."""

from collections.abc import Iterable

from kleverroutes.routing import ServingRoute

from .services import Json, VersionService

API_VERSION = "networking.istio.io/v1"
IDLE_SECONDS = 30.0
"""Shorter than the keep-alive of model servers, so that the proxy closes an idle connection first."""
OUTLIERS: Json = {
    "splitExternalLocalOriginErrors": True,
    "consecutiveLocalOriginFailures": 2,
    "consecutive5xxErrors": 0,
    "consecutiveGatewayErrors": 0,
    "interval": "0.1s",
    "baseEjectionTime": "0.3s",
    "maxEjectionPercent": 100,
    "minHealthPercent": 1,
}
"""A replica that cannot be reached gets no requests for a moment; if no replica can be reached, all are tried.

Responses never exclude a replica: they are judged by the rollout."""


def destination_rules(route: ServingRoute, services: Iterable[VersionService], domain: str) -> list[Json]:
    """One rule for each Service; they are applied before the requests are routed.

    Args:
        route: route of the serving.
        services: services of its versions.
        domain: the DNS domain of the cluster.
    """
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "DestinationRule",
            "metadata": {"name": service.name, "namespace": service.namespace},
            "spec": {"host": service.host(domain), "trafficPolicy": _policy(route)},
        }
        for service in services
    ]


def seconds(value: float) -> str:
    """A duration as protobuf's JSON writes it, in milliseconds at the finest."""
    return f"{value:.3f}".rstrip("0").rstrip(".") + "s"


def _policy(route: ServingRoute) -> Json:
    return {
        "connectionPool": {
            "tcp": {"connectTimeout": seconds(route.timeouts.connect_seconds)},
            "http": {"idleTimeout": seconds(IDLE_SECONDS)},
        },
        "loadBalancer": _balancing(route),
        "outlierDetection": dict(OUTLIERS),
    }


def _balancing(route: ServingRoute) -> Json:
    if route.sticky is not None and route.sticky.header is not None:
        return {"consistentHash": {"httpHeaderName": route.sticky.header}}
    return {"simple": "ROUND_ROBIN"}
