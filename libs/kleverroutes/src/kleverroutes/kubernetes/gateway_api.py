"""Routes as objects of the Gateway API, standard channel: HTTPRoutes for groups of paths, and one for gRPC calls."""

from collections.abc import Iterable
from dataclasses import replace

from kleverproto.traffic import Retries, Timeouts
from kleverroutes.errors import UnsupportedRouteError
from kleverroutes.routing import ServingRoute, cookie_rules
from kleverserve.client_paths import CALLS

from .http_routes import GatewayIngress, HttpRoutes
from .services import Json, Services
from .splits import Split, grpc_header_refusals, grpc_splits, header_names, http_splits, idle_refusals

MAX_RULES = 16
"""Limit of an HTTPRoute; more routes would not help, because the rules of two routes have no order."""
MAX_MATCHES = 128
"""Limit of all rules of an HTTPRoute together."""
MAX_CALL_RULES = MAX_MATCHES // len(CALLS)
"""Limit of rules with gRPC: each rule matches each call."""


def gateway_objects(route: ServingRoute, ingress: GatewayIngress, services: Services) -> list[Json]:
    """The objects of a route.

    Raises:
        UnsupportedRouteError: the Gateway API cannot route requests as the route requires, and the operator has named
            no extension that does.
    """
    if refusals := gateway_refusals(route, ingress, services):
        raise UnsupportedRouteError("; ".join(refusals))
    delegated = _without_cookie_rules(route)
    routes, calls = HttpRoutes(delegated, ingress, services), grpc_splits(delegated, services)
    return [*routes.by_path(http_splits(delegated)), *([routes.by_call(calls)] if calls else [])]


def gateway_refusals(route: ServingRoute, ingress: GatewayIngress, services: Services) -> list[str]:
    """The reasons why the Gateway API cannot route requests as the route requires, as sentences; empty if it can."""
    splits = http_splits(_without_cookie_rules(route))
    return [
        *idle_refusals(route),
        *grpc_header_refusals(route, services),
        *_sticky_refusals(route, ingress),
        *_retry_refusals(route, ingress),
        *_timeout_refusals(route),
        *_order_refusals(splits[:-1]),
        *_size_refusals(splits, MAX_RULES),
        *_size_refusals(grpc_splits(_without_cookie_rules(route), services), MAX_CALL_RULES),
    ]


def _without_cookie_rules(route: ServingRoute) -> ServingRoute:
    """Remove rules on the cookie: the extension that keeps clients at a version sets and reads it itself."""
    own = cookie_rules(route.sticky, route.shares)
    return replace(route, rules=tuple(rule for rule in route.rules if rule not in own))


def _sticky_refusals(route: ServingRoute, ingress: GatewayIngress) -> Iterable[str]:
    if route.sticky is not None and ingress.sticky is None:
        yield (
            "the Gateway API cannot keep clients at a version: remove traffic.sticky, or let the operator name an "
            "extension of the gateway that does"
        )


def _retry_refusals(route: ServingRoute, ingress: GatewayIngress) -> Iterable[str]:
    """The default leaves retries to the gateway."""
    if route.retries != Retries() and ingress.retries is None:
        yield (
            "the Gateway API has no retries in its standard channel: remove retries, which leaves them to the gateway, "
            "or let the operator name an extension of the gateway"
        )


def _timeout_refusals(route: ServingRoute) -> Iterable[str]:
    if route.timeouts.connect_seconds != Timeouts().connect_seconds:
        yield "the Gateway API has no timeout of connections: remove timeouts.connectSeconds"


def _order_refusals(rules: list[Split]) -> Iterable[str]:
    """The rule with the most headers applies first, and the order of rules decides between equals only."""
    for number, later in enumerate(rules):
        earlier = next((rule for rule in rules[:number] if len(rule.conditions) < len(later.conditions)), None)
        if earlier is not None:
            yield (
                f"the Gateway API would evaluate the rule on {header_names(later.conditions)} before the rule on "
                f"{header_names(earlier.conditions)}, because it has more headers: put rules with more headers first"
            )


def _size_refusals(splits: list[Split], limit: int) -> Iterable[str]:
    """The weights are a rule, too."""
    if len(splits) > limit:
        yield (
            f"the Gateway API supports {limit - 1} header rules for this serving, and it has {len(splits) - 1}: "
            "remove some, or use Istio"
        )
