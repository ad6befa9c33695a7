"""Envoy's configuration as plain values, v3 API; pure."""

from collections.abc import Iterable
from typing import Any

from kleverproto.traffic import Cookie, HeaderMatch, Retries

from .domain.replicas import Endpoint
from .domain.routing import Backend, RoutingTable, Rule, ServingRoute, Share, path_prefix

Json = dict[str, Any]

TYPES = "type.googleapis.com/envoy"
LISTENER, ROUTES = "ingress", "servings"
MANY = 1_000_000
"""Envoy's default circuit breakers (1,024) are for fleets; here the model server sets the limit."""
MAX_CONNECTIONS = 50_000
"""Clients at a time; without a limit one client could use up this machine's file descriptors."""
NOT_REACHED = "connect-failure,refused-stream,reset-before-request"
"""What never reached a model server: a prediction may not be safe to make twice."""
SERVER_ERRORS = "gateway-error"
BACKEND_HEADER = "x-klever-backend"
"""Tells the waiting room whose replicas a request waits for."""
OUTLIERS: Json = {
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 2,
    "enforcing_consecutive_local_origin_failure": 100,
    "enforcing_consecutive_5xx": 0,
    "enforcing_success_rate": 0,
    "base_ejection_time": "1s",
    "max_ejection_percent": 50,
}
"""A replica that cannot be reached gets no requests for a while; one that answers is judged by the rollout."""
STATS_FLUSH = "1s"
"""Histograms are as old as this; analyses read them."""
MILLION = 1_000_000


def bootstrap(directory: str) -> Json:
    """The static part: the admin interface, and where the moving parts are read from."""
    return {
        "node": {"id": "klever", "cluster": "klever"},
        "admin": {"address": _address("127.0.0.1", 0)},
        "dynamic_resources": {
            "lds_config": _watched(f"{directory}/lds.json"),
            "cds_config": _watched(f"{directory}/cds.json"),
        },
        "overload_manager": {"resource_monitors": [_connection_limit()]},
        "stats_flush_interval": STATS_FLUSH,
        "stats_config": {"stats_tags": _tags()},
    }


def listeners(host: str, port: int, directory: str) -> list[Json]:
    """One listener; its routes are read from a file of their own, so that it never changes."""
    manager = {
        "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": LISTENER,
        "use_remote_address": True,
        "normalize_path": True,
        "access_log": [_access_log(f"{directory}/access.log")],
        "rds": {"route_config_name": ROUTES, "config_source": _watched(f"{directory}/rds.json")},
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    listener = {"name": LISTENER, "address": _address(host, port), "filter_chains": [chain]}
    return [{"@type": f"{TYPES}.config.listener.v3.Listener", **listener}]


def clusters(table: RoutingTable) -> list[Json]:
    """One cluster for each variant and revision: old and new stand side by side while traffic moves."""
    found = [_cluster(backend, route) for route in table.values() for backend in route.backends]
    return sorted(found, key=lambda cluster: str(cluster["name"]))


def routes(table: RoutingTable) -> list[Json]:
    """A prefix for each serving, and 404 for everything else."""
    found = [one for serving in sorted(table) for one in _routes(table[serving])]
    missing = '{"error":"nothing is served at this path: `klever get` shows what is"}'
    rest = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 404, "body": {"inline_string": missing}},
        "response_headers_to_add": [_header("content-type", "application/json")],
    }
    host = {"name": "servings", "domains": ["*"], "routes": [*found, rest]}
    return [{"@type": f"{TYPES}.config.route.v3.RouteConfiguration", "name": ROUTES, "virtual_hosts": [host]}]


def discovery(version: int, resources: list[Json]) -> Json:
    """A discovery response, as Envoy reads it from a file."""
    return {"version_info": str(version), "resources": resources}


def cluster_names(table: RoutingTable) -> set[str]:
    """The clusters that a table needs."""
    return {backend.key.name for route in table.values() for backend in route.backends}


def _routes(route: ServingRoute) -> list[Json]:
    """The rules in their order, then the weights."""
    return [*(_route(route, rule.shares, rule) for rule in route.rules), _route(route, route.shares, None)]


def _route(route: ServingRoute, shares: Iterable[Share], rule: Rule | None) -> Json:
    match: Json = {"prefix": path_prefix(route.serving)}
    if rule is not None:
        match["headers"] = [{"name": name, "string_match": _string_match(value)} for name, value in rule.headers]
    action: Json = {
        "weighted_clusters": {"clusters": [_weighted(share) for share in shares]},
        "prefix_rewrite": "/",
        "timeout": _seconds(route.timeouts.request_seconds),
        "retry_policy": _retry_policy(route.retries),
    }
    if route.sticky is not None and route.sticky.header is not None:
        action["hash_policy"] = [{"header": {"header_name": route.sticky.header}}]
        action["weighted_clusters"]["use_hash_policy"] = True
    if route.sticky is not None and route.sticky.cookie is not None and rule is None:
        for share, cluster in zip(route.shares, action["weighted_clusters"]["clusters"], strict=True):
            cluster["response_headers_to_add"].append(_set_cookie(route.sticky.cookie, share))
    if route.mirror is not None:
        fraction = {"numerator": round(route.mirror.percent * MILLION / 100), "denominator": "MILLION"}
        mirrored = {"cluster": route.mirror.backend.name, "runtime_fraction": {"default_value": fraction}}
        action["request_mirror_policies"] = [mirrored]
    return {"match": match, "route": action}


def _weighted(share: Share) -> Json:
    return {
        "name": share.backend.name,
        "weight": share.weight,
        "request_headers_to_add": [_header(BACKEND_HEADER, share.backend.name)],
        "response_headers_to_add": [_header("x-klever-variant", share.backend.variant)],
    }


def _string_match(match: HeaderMatch) -> Json:
    if match.regex is not None:
        return {"safe_regex": {"regex": match.regex}}
    return {"prefix": match.prefix} if match.prefix is not None else {"exact": match.exact}


def _retry_policy(retries: Retries) -> Json:
    policy: Json = {
        "retry_on": f"{NOT_REACHED},{SERVER_ERRORS}" if retries.on_server_error else NOT_REACHED,
        "num_retries": retries.attempts,
    }
    if retries.per_try_seconds is not None:
        policy["per_try_timeout"] = _seconds(retries.per_try_seconds)
    return policy


def _set_cookie(cookie: Cookie, share: Share) -> Json:
    """A client that has none yet is told whom it got; the rules before the weights read it."""
    age = f"; Max-Age={cookie.ttl_seconds}" if cookie.ttl_seconds else ""
    value = f"{cookie.name}={share.backend.token}; Path={path_prefix(share.backend.serving)}{age}; HttpOnly"
    return {
        "header": {"key": "set-cookie", "value": value.replace("%", "%%")},
        "append_action": "APPEND_IF_EXISTS_OR_ADD",
    }


def _cluster(backend: Backend, route: ServingRoute) -> Json:
    endpoints = [{"endpoint": {"address": _address(e.host, e.port)}} for e in _ordered(backend.endpoints)]
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), MANY)
    options = {
        "@type": f"{TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions",
        # Shorter than the model server's keep-alive, so that Envoy closes an idle connection first.
        "common_http_protocol_options": {"idle_timeout": "30s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "@type": f"{TYPES}.config.cluster.v3.Cluster",
        "name": backend.key.name,
        "type": "STATIC",
        "connect_timeout": _seconds(route.timeouts.connect_seconds),
        "lb_policy": "RING_HASH" if route.sticky is not None else "ROUND_ROBIN",
        "load_assignment": {"cluster_name": backend.key.name, "endpoints": [{"lb_endpoints": endpoints}]},
        "circuit_breakers": {"thresholds": [limits]},
        "outlier_detection": OUTLIERS,
        "typed_extension_protocol_options": {
            f"{TYPES.rpartition('/')[2]}.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
    }


def _connection_limit() -> Json:
    config = f"{TYPES}.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {"@type": config, "max_active_downstream_connections": MAX_CONNECTIONS},
    }


def _access_log(path: str) -> Json:
    """A JSON object for each request."""
    fields = {
        "time": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "bytes_received": "%BYTES_RECEIVED%",
        "bytes_sent": "%BYTES_SENT%",
        "backend": "%UPSTREAM_CLUSTER_RAW%",
        "upstream": "%UPSTREAM_HOST%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "traceparent": "%REQ(TRACEPARENT)%",
    }
    config = f"{TYPES}.extensions.access_loggers.file.v3.FileAccessLog"
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {"@type": config, "path": path, "log_format": {"json_format": fields}},
    }


def _tags() -> list[Json]:
    """What a backend's name says, as labels of its metrics."""
    parts = ("klever_namespace", "klever_serving", "klever_variant", "klever_revision")
    return [
        {"tag_name": name, "regex": rf"^cluster\.((?:[^./]+/){{{number}}}([^./]+)(?:/[^./]+){{{3 - number}}})\."}
        for number, name in enumerate(parts)
    ]


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}s"


def _ordered(endpoints: tuple[Endpoint, ...]) -> list[Endpoint]:
    return sorted(endpoints, key=lambda endpoint: (endpoint.host, endpoint.port))


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _watched(path: str) -> Json:
    return {"resource_api_version": "V3", "path_config_source": {"path": path}}


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
