"""The dynamic part of Envoy's configuration: clusters and routes, as plain values of the v3 API; pure."""

from collections.abc import Iterable
from typing import Any

from kleverproto.traffic import Cookie, HeaderMatch, Retries
from kleverroutes.paths import path_prefix
from kleverroutes.routing import Rule, ServingRoute, Share, set_cookie
from kleverroutes.versions import ServingName, VersionKey
from kleverserve.access import HEADER

from .access_keys import AccessKeys
from .envoy_closed import GRPC_SERVICE, closed_routes, not_found
from .placed_routes import Endpoints, Place, PlacedRoute, RoutingTable
from .replica_specs import Endpoint

Json = dict[str, Any]

TYPES = "type.googleapis.com/envoy"
BUFFERS = f"{TYPES}.extensions.filters.http.buffer.v3"
LISTENER, ROUTES = "ingress", "servings"
UNLIMITED = 1_000_000
"""Envoy's default circuit breakers (1,024) are for fleets; here the model server sets the limit."""
RETRY_ON = "connect-failure,refused-stream,reset-before-request,reset"
"""Conditions for a retry: the response has not begun. A prediction may therefore be computed twice."""
RETRY_BUFFER_BYTES = 8 * 1024 * 1024
"""Bytes of a body that are buffered for a retry; a request with a larger body is not retried."""
SERVER_ERRORS = "gateway-error"
OTHER_REPLICA: Json = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {"@type": f"{TYPES}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
}
HOST_SELECTION_ATTEMPTS = 5
"""Attempts to select a replica that has not received the request yet."""
VERSION_HEADER = "x-klever-backend"
"""Header for the waiting room with the version that a request waits for."""
OUTLIERS: Json = {
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 2,
    "enforcing_consecutive_local_origin_failure": 100,
    "enforcing_consecutive_5xx": 0,
    "enforcing_success_rate": 0,
    "interval": "0.100s",
    "base_ejection_time": "0.300s",
    "max_ejection_time": "0.300s",
    "max_ejection_percent": 100,
}
"""Outlier detection: an unreachable replica gets no requests for a short time. Responses are left to the analysis.

Envoy ends an ejection only at an `interval`. If all replicas are ejected, Envoy tries all of them (panic mode), since
the first of them may be available again.
"""
MILLION = 1_000_000
HTTP, GRPC = "", "/grpc"
"""Protocols of a cluster, as the suffix of its name."""
UNARY = f"{GRPC_SERVICE}ModelInfer"
BUFFER = "buffer"
"""The filter that buffers a whole request, up to a limit; disabled unless a route enables it."""
FRAME = 5
"""Bytes of the prefix of each gRPC message."""


def clusters(table: RoutingTable) -> list[Json]:
    """One cluster for each version and protocol; old and new coexist while traffic shifts."""
    all_clusters = [
        _cluster(place, placed.route, suffix)
        for placed in table.values()
        for place in placed.places
        for suffix in _protocols(place)
    ]
    return sorted(all_clusters, key=lambda cluster: str(cluster["name"]))


def routes(table: RoutingTable, *, limit: int, keys: AccessKeys | None = None) -> list[Json]:
    """The routes of all servings; 404 for all other paths, and for those that are not for clients.

    Args:
        table: the routes of the servings.
        limit: the limit for a gRPC message, in bytes; for HTTP the servers enforce it.
        keys: the keys that model servers require; none by default.
    """
    own, ours = (
        [
            _with_key(one, serving, keys)
            for serving in sorted(table)
            if table[serving].route.is_custom is custom
            for one in _routes(table[serving], limit)
        ]
        for custom in (True, False)
    )
    missing = "no serving has this path: list servings with `klever get`"
    every = [_rejected_compression(), *own, *closed_routes(), *ours, not_found({"prefix": "/"}, missing)]
    host = {"name": "servings", "domains": ["*"], "routes": every, "request_body_buffer_limit": RETRY_BUFFER_BYTES}
    return [{"@type": f"{TYPES}.config.route.v3.RouteConfiguration", "name": ROUTES, "virtual_hosts": [host]}]


def _with_key(route: Json, serving: ServingName, keys: AccessKeys | None) -> Json:
    """A route that sets the key of the serving in requests, and replaces one that the client has sent."""
    return route | {"request_headers_to_add": [_header(HEADER, keys(serving))]} if keys else route


def discovery(version: str, resources: list[Json]) -> Json:
    """A discovery response in the form that Envoy reads from a file."""
    return {"version_info": version, "resources": resources}


def _routes(placed: PlacedRoute, limit: int) -> list[Json]:
    """The rules in their order, then the weights; matched by path for HTTP, by headers for gRPC."""
    route = placed.route
    parts = [*((rule.shares, rule) for rule in route.rules), (route.shares, None)]
    by_path = [_route(placed, shares, rule, HTTP) for shares, rule in parts]
    with_grpc = {place.version for place in placed.places if GRPC in _protocols(place)}
    chosen = [(tuple(share for share in shares if share.version in with_grpc), rule) for shares, rule in parts]
    routed = [(shares, rule) for shares, rule in chosen if any(share.weight for share in shares)]  # else Envoy refuses
    by_headers = [_route(placed, shares, rule, GRPC) for shares, rule in routed]
    return [*(one for each in by_headers for one in (_unary(each, limit), each)), *by_path]


def _rejected_compression() -> Json:
    """Rejects compressed messages, since not every server limits their decompressed size.

    The response follows gRPC's specification of compression.
    """
    headers = [
        {"name": "grpc-encoding", "present_match": True},
        {"name": "grpc-encoding", "string_match": {"exact": "identity"}, "invert_match": True},
    ]
    why = "compressed messages are not supported: send them uncompressed"
    return {
        "match": {"prefix": GRPC_SERVICE, "grpc": {}, "headers": headers},
        "direct_response": {"status": 415, "body": {"inline_string": why}},
        "response_headers_to_add": [_header("grpc-accept-encoding", "identity")],
    }


def _unary(route: Json, limit: int) -> Json:
    """A route that limits unary gRPC messages, since not every server does; streams are not limited."""
    match = {name: value for name, value in route["match"].items() if name != "prefix"}
    held = {BUFFER: {"@type": f"{BUFFERS}.BufferPerRoute", "buffer": {"max_request_bytes": limit + FRAME}}}
    return {**route, "match": {"path": UNARY, **match}, "typed_per_filter_config": held}


def buffer(limit: int) -> Json:
    """The filter that buffers requests."""
    return {"@type": f"{BUFFERS}.Buffer", "max_request_bytes": limit + FRAME}


def _protocols(place: Place) -> tuple[str, ...]:
    """The protocols of a version's servers, as suffixes of cluster names."""
    return (HTTP, GRPC) if any(endpoint.grpc_port for endpoint in place.endpoints) else (HTTP,)


def _match(serving: ServingName, protocol: str) -> Json:
    """Match a serving as Seldon Core does: by path for HTTP, and by two headers for gRPC, whose paths are fixed."""
    if protocol == HTTP:
        return {"prefix": path_prefix(serving), "headers": []}
    named = {"seldon": serving.name, "namespace": serving.namespace}
    headers = [{"name": name, "string_match": {"exact": value}} for name, value in named.items()]
    return {"prefix": GRPC_SERVICE, "grpc": {}, "headers": headers}


def _route(placed: PlacedRoute, shares: Iterable[Share], rule: Rule | None, protocol: str) -> Json:
    route = placed.route
    match = _match(route.serving, protocol)
    if rule is not None:
        match["headers"] += [{"name": each.name, "string_match": _string_match(each.match)} for each in rule.conditions]
    action: Json = {
        "weighted_clusters": {"clusters": [_weighted(share, protocol) for share in shares]},
        **({"prefix_rewrite": "/"} if protocol == HTTP else {}),
        "timeout": _seconds(route.timeouts.request_seconds),
        "retry_policy": _retry_policy(route.retries),
    }
    if route.sticky is not None and route.sticky.header is not None:
        action["hash_policy"] = [{"header": {"header_name": route.sticky.header}}]
        action["weighted_clusters"]["use_hash_policy"] = True
    if route.sticky is not None and route.sticky.cookie is not None and rule is None:
        for share, cluster in zip(shares, action["weighted_clusters"]["clusters"], strict=True):
            cluster["response_headers_to_add"].append(_set_cookie(route.sticky.cookie, share))
    mirrored_too = route.mirror is not None and _has(placed, route.mirror.version, protocol)
    if route.mirror is not None and mirrored_too:
        fraction = {"numerator": round(route.mirror.percent * MILLION / 100), "denominator": "MILLION"}
        mirrored = {"cluster": route.mirror.version.name + protocol, "runtime_fraction": {"default_value": fraction}}
        action["request_mirror_policies"] = [mirrored]
    return {"match": match, "route": action}


def _has(placed: PlacedRoute, key: VersionKey, protocol: str) -> bool:
    return any(place.version == key and protocol in _protocols(place) for place in placed.places)


def _weighted(share: Share, protocol: str) -> Json:
    return {
        "name": share.version.name + protocol,
        "weight": share.weight,
        "request_headers_to_add": [_header(VERSION_HEADER, share.version.name)],
        "response_headers_to_add": [_header("x-klever-variant", share.version.variant)],
    }


def _string_match(match: HeaderMatch) -> Json:
    if match.regex is not None:
        return {"safe_regex": {"regex": match.regex}}
    return {"prefix": match.prefix} if match.prefix is not None else {"exact": match.exact}


def _retry_policy(retries: Retries) -> Json:
    policy: Json = {
        "retry_on": f"{RETRY_ON},{SERVER_ERRORS}" if retries.on_server_error else RETRY_ON,
        "num_retries": retries.attempts,
        "retry_back_off": {"base_interval": "0.050s", "max_interval": "0.500s"},
        "retry_host_predicate": [OTHER_REPLICA],
        "host_selection_retry_max_attempts": HOST_SELECTION_ATTEMPTS,
    }
    if retries.per_try_seconds is not None:
        policy["per_try_timeout"] = _seconds(retries.per_try_seconds)
    return policy


def _set_cookie(cookie: Cookie, share: Share) -> Json:
    """Sets the cookie of the version that responded; the rules that precede the weights match it."""
    return {
        "header": {"key": "set-cookie", "value": set_cookie(cookie, share.version).replace("%", "%%")},
        "append_action": "APPEND_IF_EXISTS_OR_ADD",
    }


def _cluster(place: Place, route: ServingRoute, protocol: str) -> Json:
    name = place.version.name + protocol
    addresses = [address(e.host, e.port if protocol == HTTP else e.grpc_port) for e in _ordered(place.endpoints)]
    endpoints = [{"endpoint": {"address": each}} for each in addresses]
    spoken = "http_protocol_options" if protocol == HTTP else "http2_protocol_options"
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED)
    options = {
        "@type": f"{TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions",
        # Shorter than the model server's keep-alive, so that Envoy closes an idle connection first.
        "common_http_protocol_options": {"idle_timeout": "30s"},
        "explicit_http_config": {spoken: {}},
    }
    return {
        "@type": f"{TYPES}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": _seconds(route.timeouts.connect_seconds),
        "lb_policy": "RING_HASH" if route.sticky is not None else "ROUND_ROBIN",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "circuit_breakers": {"thresholds": [limits]},
        "outlier_detection": OUTLIERS,
        "typed_extension_protocol_options": {
            f"{TYPES.rpartition('/')[2]}.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}s"


def _ordered(endpoints: Endpoints) -> list[Endpoint]:
    return sorted(endpoints, key=lambda endpoint: (endpoint.host, endpoint.port))


def address(host: str, port: int) -> Json:
    """A TCP address."""
    return {"socket_address": {"address": host, "port_value": port}}


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
