"""Envoy's configuration as plain values, v3 API; pure."""

from typing import Any

from .domain import Endpoint, RoutingTable, ServingRoute, VariantRoute, path_prefix

Json = dict[str, Any]

TYPES = "type.googleapis.com/envoy"
LISTENER, ROUTES = "ingress", "servings"
MANY = 1_000_000
"""Envoy's default circuit breakers (1,024) are for fleets; here the model server sets the limit."""
MAX_CONNECTIONS = 50_000
"""Clients at a time; without a limit one client could use up this machine's file descriptors."""
RETRY_ON = "connect-failure,refused-stream,reset-before-request"
"""Only what never reached a model server: a prediction may not be safe to make twice."""


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
    }


def listeners(host: str, port: int, directory: str) -> list[Json]:
    """One listener; its routes are read from a file of their own, so that it never changes."""
    manager = {
        "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": LISTENER,
        "use_remote_address": True,
        "normalize_path": True,
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
    named = {cluster_name(serving, v): v for serving in table.values() for v in serving.variants}
    return [_cluster(name, named[name]) for name in sorted(named)]


def routes(table: RoutingTable) -> list[Json]:
    """A prefix for each serving, and 404 for everything else."""
    found = [_route(table[serving]) for serving in sorted(table)]
    missing = '{"error":"nothing is served at this path: `klever servings list` shows what is"}'
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
    return {cluster_name(serving, variant) for serving in table.values() for variant in serving.variants}


def cluster_name(serving: ServingRoute, variant: VariantRoute) -> str:
    """Unique for serving, variant and revision."""
    return f"{serving.serving}/{variant.variant}/{variant.revision}"


def _route(serving: ServingRoute) -> Json:
    weighted = [
        {
            "name": cluster_name(serving, variant),
            "weight": variant.weight,
            "response_headers_to_add": [_header("x-klever-variant", variant.variant)],
        }
        for variant in serving.variants
    ]
    return {
        "match": {"prefix": path_prefix(serving.serving)},
        "route": {
            "weighted_clusters": {"clusters": weighted},
            "prefix_rewrite": "/",
            "timeout": "300s",
            "retry_policy": {"retry_on": RETRY_ON, "num_retries": 3},
        },
    }


def _cluster(name: str, variant: VariantRoute) -> Json:
    endpoints = [{"endpoint": {"address": _address(e.host, e.port)}} for e in _ordered(variant.endpoints)]
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), MANY)
    options = {
        "@type": f"{TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions",
        # Shorter than the model server's keep-alive, so that Envoy closes an idle connection first.
        "common_http_protocol_options": {"idle_timeout": "30s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        "@type": f"{TYPES}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "circuit_breakers": {"thresholds": [limits]},
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 2,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "base_ejection_time": "1s",
            "max_ejection_percent": 50,
        },
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


def _ordered(endpoints: tuple[Endpoint, ...]) -> list[Endpoint]:
    return sorted(endpoints, key=lambda endpoint: (endpoint.host, endpoint.port))


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _watched(path: str) -> Json:
    return {"resource_api_version": "V3", "path_config_source": {"path": path}}


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
