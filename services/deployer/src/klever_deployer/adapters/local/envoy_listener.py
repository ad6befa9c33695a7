"""The static part of Envoy's configuration: listeners, logs and spans, as plain values of the v3 API; pure."""

import sys
from urllib.parse import urlsplit

from kleverkit.expressions import MAX_PROGRAM

from .envoy_config import BUFFER, LISTENER, ROUTES, TYPES, Json, address, buffer
from .envoy_replies import HEADERS, HEADERS_KIB, local_replies

SPANS = "spans"
RELAYED = "relayed"
STATS_FLUSH = "1s"
"""Interval at which Envoy updates histograms, which analyses read."""
MAX_CONNECTIONS = 50_000
"""Limit of connections; without one, a client could exhaust this machine's file descriptors."""


OWNER_ONLY = 0o600
RUNTIME = {
    # For every kind of rule, a repeated header is one value, joined by commas (RFC 9110, section 5.2).
    "envoy.reloadable_features.match_headers_individually": False,
    # The default, 100, can be too small for the name of a cookie alone.
    "re2.max_program_size.error_level": 2 * MAX_PROGRAM,
}


def bootstrap(directory: str, admin: str, otlp_endpoint: str | None) -> Json:
    """The static configuration: the admin interface, the receiver of spans, and the paths of the dynamic files.

    Args:
        directory: the directory of Envoy's files.
        admin: the Unix socket of the admin interface, which can stop Envoy and is therefore for its owner only.
        otlp_endpoint: receives spans; none are sent if None.
    """
    return {
        "node": {"id": "klever", "cluster": "klever"},
        "admin": {"address": {"pipe": {"path": admin, "mode": OWNER_ONLY}}},
        "dynamic_resources": {
            "lds_config": _watched(f"{directory}/lds.json"),
            "cds_config": _watched(f"{directory}/cds.json"),
        },
        "overload_manager": {"resource_monitors": [_connection_limit()]},
        "static_resources": {"clusters": [_span_collector(otlp_endpoint)] if otlp_endpoint else []},
        "stats_flush_interval": STATS_FLUSH,
        "stats_config": {"stats_tags": _tags()},
        "layered_runtime": {"layers": [{"name": "klever", "static_layer": RUNTIME}]},
    }


def listeners(host: str, port: int, directory: str, otlp_endpoint: str | None, *, limit: int) -> list[Json]:
    """The ingress listener, and the listener for connections that were accepted while Envoy was down.

    The second listener closes each connection after one response, so that the client reconnects to the first.

    Args:
        host: address of the ingress.
        port: port of the ingress.
        directory: the directory of Envoy's files; routes are read from a separate file there.
        otlp_endpoint: receives spans; none are sent if None.
        limit: the limit for a request, in bytes.
    """
    from_header = {"@type": f"{TYPES}.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"}
    manager = _manager(directory, otlp_endpoint, limit)
    once = manager["common_http_protocol_options"] | {"max_requests_per_connection": 1}
    relayed = {
        "listener_filters": [{"name": "envoy.filters.listener.proxy_protocol", "typed_config": from_header}],
        **_listener(
            RELAYED, {"pipe": {"path": f"@{relay_name(host, port)}"}}, manager | {"common_http_protocol_options": once}
        ),
    }
    return [_listener(LISTENER, address(host, port), manager), *([relayed] if sys.platform == "linux" else [])]


def relay_name(host: str, port: int) -> str:
    """The name of the abstract Unix socket on which Envoy accepts relayed connections."""
    return f"klever-ingress-{host}-{port}"


def _listener(name: str, where: Json, manager: Json) -> Json:
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"@type": f"{TYPES}.config.listener.v3.Listener", "name": name, "address": where, "filter_chains": [chain]}


def _manager(directory: str, otlp_endpoint: str | None, limit: int) -> Json:
    traced = {"tracing": _tracing(otlp_endpoint)} if otlp_endpoint else {}
    return {
        "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": LISTENER,
        "use_remote_address": True,
        "normalize_path": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "max_request_headers_kb": HEADERS_KIB,
        "common_http_protocol_options": {"max_headers_count": HEADERS},
        "local_reply_config": local_replies(limit),
        **traced,
        "access_log": [_access_log(f"{directory}/access.log")],
        "rds": {"route_config_name": ROUTES, "config_source": _watched(f"{directory}/rds.json")},
        "http_filters": [
            {"name": BUFFER, "typed_config": buffer(limit), "disabled": True},
            {
                "name": "router",
                "typed_config": {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"},
            },
        ],
    }


def _connection_limit() -> Json:
    config = f"{TYPES}.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {"@type": config, "max_active_downstream_connections": MAX_CONNECTIONS},
    }


def _access_log(path: str) -> Json:
    """A JSON object of bounded length for each request, without the query, which may contain secrets."""
    fields = {
        "time": "%START_TIME%",
        "method": "%REQ(:METHOD):16%",
        "path": "%PATH(NQ:ORIG_OR_PATH):1024%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "bytes_received": "%BYTES_RECEIVED%",
        "bytes_sent": "%BYTES_SENT%",
        "backend": "%UPSTREAM_CLUSTER_RAW%",
        "upstream": "%UPSTREAM_HOST%",
        "request_id": "%REQ(X-REQUEST-ID):64%",
        "traceparent": "%REQ(TRACEPARENT):64%",
    }
    config = f"{TYPES}.extensions.access_loggers.file.v3.FileAccessLog"
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {"@type": config, "path": path, "log_format": {"json_format": fields}},
    }


def _tracing(endpoint: str) -> Json:
    """A span for each request, in the trace of its `traceparent`; sent by OTLP over HTTP."""
    uri = {"uri": f"{endpoint.rstrip('/')}/v1/traces", "cluster": SPANS, "timeout": "2s"}
    config = f"{TYPES}.config.trace.v3.OpenTelemetryConfig"
    typed = {"@type": config, "service_name": "klever-ingress", "http_service": {"http_uri": uri}}
    return {"provider": {"name": "envoy.tracers.opentelemetry", "typed_config": typed}}


def _span_collector(endpoint: str) -> Json:
    url = urlsplit(endpoint)
    collector = address(url.hostname or "", url.port or (443 if url.scheme == "https" else 80))
    cluster: Json = {
        "name": SPANS,
        "type": "STRICT_DNS",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": SPANS,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": collector}}]}],
        },
    }
    if url.scheme == "https":
        tls = f"{TYPES}.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
        cluster["transport_socket"] = {"name": "tls", "typed_config": {"@type": tls, "sni": url.hostname}}
    return cluster


def _tags() -> list[Json]:
    """Labels of metrics, from the parts of a cluster's name."""
    parts = ("klever_namespace", "klever_serving", "klever_variant", "klever_revision")
    before, after = r"^cluster\.((?:[^./]+/)", r"(?:/grpc)?)\."
    return [
        {"tag_name": name, "regex": f"{before}{{{number}}}([^./]+)(?:/[^./]+){{{3 - number}}}{after}"}
        for number, name in enumerate(parts)
    ]


def _watched(path: str) -> Json:
    return {"resource_api_version": "V3", "path_config_source": {"path": path}}
