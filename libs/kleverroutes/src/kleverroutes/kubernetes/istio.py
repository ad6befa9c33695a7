"""Routes as objects of Istio: a VirtualService, and a DestinationRule for each version."""

from kleverroutes.errors import UnsupportedRouteError
from kleverroutes.routing import ServingRoute

from .destination_rules import destination_rules
from .services import Json, Services
from .splits import grpc_header_refusals, http_splits, idle_refusals
from .virtual_services import IstioIngress, virtual_service


def istio_objects(route: ServingRoute, ingress: IstioIngress, services: Services) -> list[Json]:
    """The objects of a route, in the order in which they are applied.

    Raises:
        UnsupportedRouteError: Istio cannot route requests as the route requires.
    """
    if refusals := istio_refusals(route, services):
        raise UnsupportedRouteError("; ".join(refusals))
    rules = destination_rules(route, [services(version.key) for version in route.versions], ingress.domain)
    return [*rules, virtual_service(route, ingress, services)]


def istio_refusals(route: ServingRoute, services: Services) -> list[str]:
    """The reasons why Istio cannot route requests as the route requires, as sentences; empty if it can."""
    return [
        *idle_refusals(route),
        *grpc_header_refusals(route, services),
        *_sticky_refusals(route),
    ]


def _sticky_refusals(route: ServingRoute) -> list[str]:
    """Istio hashes a header to choose a replica of a version, but never to choose a version."""
    if route.sticky is None or route.sticky.header is None:
        return []
    if all(len(split.percents) == 1 for split in http_splits(route)):
        return []
    sentence = (
        f"Istio cannot keep clients at a version by the header {route.sticky.header} while several versions share the "
        "requests: use sticky.cookie, or give one variant all requests and use the strategy rolling or blueGreen"
    )
    return [sentence]
