"""The VirtualService of a serving (networking.istio.io/v1)."""

import re
from dataclasses import dataclass

from kleverproto.traffic import HeaderMatch, Retries
from kleverroutes.exposed import grpc_expression, http_expression
from kleverroutes.paths import path_prefix
from kleverroutes.routing import HeaderCondition, ServingRoute, set_cookie
from kleverroutes.versions import VersionKey
from kleverserve.client_paths import CLOSED, GRPC_SERVICE

from .destination_rules import API_VERSION, seconds
from .services import Json, Services
from .splits import Split, grpc_port, grpc_splits, http_splits

NOT_ANSWERED = "connect-failure,refused-stream,reset-before-request,reset"
"""A request whose response has not started can be retried: a prediction may be computed twice."""
SERVER_ERRORS = "gateway-error"


@dataclass(frozen=True)
class IstioIngress:
    """The gateway that requests enter by."""

    gateways: tuple[str, ...]
    """Namespace and name of Gateway objects, separated by a slash."""
    hosts: tuple[str, ...] = ("*",)
    domain: str = "cluster.local"
    """The DNS domain of the cluster."""


def virtual_service(route: ServingRoute, ingress: IstioIngress, services: Services) -> Json:
    """The routes of a serving at the gateway."""
    return {
        "apiVersion": API_VERSION,
        "kind": "VirtualService",
        "metadata": {"name": route.serving.name, "namespace": route.serving.namespace},
        "spec": {
            "hosts": list(ingress.hosts),
            "gateways": list(ingress.gateways),
            "http": _http(route, ingress, services),
        },
    }


def _http(route: ServingRoute, ingress: IstioIngress, services: Services) -> list[Json]:
    """The routes in the order in which they are evaluated: the first one that matches applies."""
    by_call = [
        _route(route, split, _call_match(route, split), _Destinations(route, ingress, services, is_grpc=True))
        for split in grpc_splits(route, services)
    ]
    by_path = [
        {
            **_route(route, split, _path_match(route, split), _Destinations(route, ingress, services, is_grpc=False)),
            "rewrite": {"uriRegexRewrite": {"match": f"^{re.escape(path_prefix(route.serving))}", "rewrite": "/"}},
        }
        for split in http_splits(route)
    ]
    refused = [_compressed_messages(route)] if by_call else []
    return [*refused, *by_call, *by_path, *([] if route.is_custom else [_closed(route)])]


@dataclass(frozen=True)
class _Destinations:
    """Renders the versions of a route as destinations of one protocol."""

    route: ServingRoute
    ingress: IstioIngress
    services: Services
    is_grpc: bool

    def destination(self, version: VersionKey) -> Json:
        service = self.services(version)
        port = grpc_port(service) if self.is_grpc else service.http_port
        return {"host": service.host(self.ingress.domain), "port": {"number": port}}

    def supports(self, version: VersionKey) -> bool:
        return not self.is_grpc or self.services(version).grpc_port is not None


def _route(route: ServingRoute, split: Split, match: Json, destinations: _Destinations) -> Json:
    rendered: Json = {
        "name": split.name,
        "match": [match],
        "route": [
            {
                "destination": destinations.destination(version),
                "weight": percent,
                "headers": {"response": _response_headers(route, split, version)},
            }
            for version, percent in split.percents.items()
        ],
        "timeout": seconds(route.timeouts.request_seconds),
        "retries": _retries(route.retries),
    }
    if route.mirror is not None and destinations.supports(route.mirror.version):
        mirrored = destinations.destination(route.mirror.version)
        rendered["mirrors"] = [{"destination": mirrored, "percentage": {"value": route.mirror.percent}}]
    return rendered


def _response_headers(route: ServingRoute, split: Split, version: VersionKey) -> Json:
    headers: Json = {"set": {"x-klever-variant": version.variant}}
    if route.sticky is not None and route.sticky.cookie is not None and not split.conditions:
        cookie = set_cookie(route.sticky.cookie, version).replace("%", "%%")  # a format string of Envoy
        headers["add"] = {"set-cookie": cookie}
    return headers


def _path_match(route: ServingRoute, split: Split) -> Json:
    prefix = path_prefix(route.serving)
    paths = {"prefix": prefix} if route.is_custom else {"regex": http_expression(re.escape(prefix.rstrip("/")))}
    return {"uri": paths} | _headers(split.conditions)


def _call_match(route: ServingRoute, split: Split) -> Json:
    calls = {"prefix": GRPC_SERVICE} if route.is_custom else {"regex": grpc_expression(GRPC_SERVICE)}
    return {"uri": calls, "headers": _serving_headers(route) | _headers(split.conditions).get("headers", {})}


def _serving_headers(route: ServingRoute) -> Json:
    return {"seldon": {"exact": route.serving.name}, "namespace": {"exact": route.serving.namespace}}


def _headers(conditions: tuple[HeaderCondition, ...]) -> Json:
    return {"headers": {each.name: _string_match(each.match) for each in conditions}} if conditions else {}


def _string_match(match: HeaderMatch) -> Json:
    return match.model_dump(exclude_none=True)


def _retries(retries: Retries) -> Json:
    if not retries.attempts:
        return {"attempts": 0}  # anything else beside it is refused
    policy: Json = {
        "attempts": retries.attempts,
        "retryOn": f"{NOT_ANSWERED},{SERVER_ERRORS}" if retries.on_server_error else NOT_ANSWERED,
        "backoff": "0.05s",
        "retryIgnorePreviousHosts": True,
    }
    if retries.per_try_seconds is not None:
        policy["perTryTimeout"] = seconds(retries.per_try_seconds)
    return policy


def _compressed_messages(route: ServingRoute) -> Json:
    """Refuses compressed gRPC messages, because not every server limits their decompressed size."""
    headers = _serving_headers(route) | {"grpc-encoding": {}}
    identity = {"grpc-encoding": {"exact": "identity"}}
    return {
        "name": "compressed-messages",
        "match": [{"uri": {"prefix": GRPC_SERVICE}, "headers": headers, "withoutHeaders": identity}],
        "directResponse": {"status": 415, "body": {"string": "compressed messages are not supported"}},
        "headers": {"response": {"set": {"grpc-accept-encoding": "identity"}}},
    }


def _closed(route: ServingRoute) -> Json:
    """Answers 404 for the other paths of model servers, such as those that load and unload models."""
    return {
        "name": "closed",
        "match": [{"uri": {"prefix": path_prefix(route.serving)}}],
        "directResponse": {"status": 404, "body": {"string": f'{{"error": "{CLOSED}"}}'}},
    }
