"""Configuration of istiod, and of a plain Envoy that is a gateway of it: no images, no sidecars, no certificates."""

from pathlib import Path
from typing import Any

from klever_deployer.adapters.local.envoy import envoy_program

VERSION = "1.30.0"
NAMESPACE = "istio-system"
LOOPBACK = "127.0.0.1"
GATEWAY_LABELS = {"istio": "ingressgateway"}
"""The selector of Istio's Gateway resources."""
PLAIN_ENVOY = {
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_DISABLE_MX_ALPN": "true",
}
"""Variables of istiod that leave out the filters that only Istio's own build of Envoy has."""
_STATISTICS = {
    "use_all_default_tags": False,
    "stats_tags": [
        {"tag_name": "cluster_name", "regex": r"^cluster(\.(.+);)"},
        {"tag_name": "response_code", "regex": r"_rq(_(\d{3}))$"},
        {"tag_name": "response_code_class", "regex": r"_rq(_(\dxx))$"},
    ],
}
"""The labels of Envoy's metrics, as in the bootstrap of Istio's own Envoy."""
_RUNTIME = {"re2.max_program_size.error_level": 32768}
"""Limit of the size of regular expressions in routes, as in that bootstrap."""


def mesh(discovery_port: int) -> dict[str, Any]:
    """Return the configuration of the mesh, without automatic mTLS: this Envoy never receives the certificates."""
    return {
        "enableAutoMtls": False,
        "enablePrometheusMerge": False,
        "rootNamespace": NAMESPACE,
        "defaultConfig": {"discoveryAddress": f"{LOOPBACK}:{discovery_port}"},
        "defaultProviders": {"metrics": []},
    }


def envoy_command(bootstrap: Path) -> list[str]:
    """The command line of an Envoy with the file of its bootstrap."""
    options = ("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning")
    return [envoy_program(), "--config-path", str(bootstrap), *options]


def envoy_bootstrap(*, address: str, domain: str, discovery_port: int, admin_port: int) -> dict[str, Any]:
    """The configuration of an Envoy that receives all else from istiod, as a gateway with `GATEWAY_LABELS`.

    Args:
        address: address of the gateway.
        domain: DNS domain of the cluster.
        discovery_port: port of istiod on the loopback address.
        admin_port: port of Envoy's admin interface on the loopback address.
    """
    discovered = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    return {
        "node": _node(address, domain),
        "admin": {"address": _loopback(admin_port)},
        "layered_runtime": {"layers": [{"name": "istio", "static_layer": _RUNTIME}]},
        "stats_config": _STATISTICS,
        "dynamic_resources": {
            "lds_config": discovered,
            "cds_config": discovered,
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "istiod"}}],
            },
        },
        "static_resources": {"clusters": [_istiod(discovery_port)]},
    }


def _node(address: str, domain: str) -> dict[str, Any]:
    return {
        "id": f"router~{address}~gateway.{NAMESPACE}~{NAMESPACE}.svc.{domain}",
        "cluster": f"gateway.{NAMESPACE}",
        "metadata": {
            "NAME": "gateway",
            "NAMESPACE": NAMESPACE,
            "CLUSTER_ID": "Kubernetes",
            "ISTIO_VERSION": VERSION,
            "INSTANCE_IPS": address,
            "LABELS": GATEWAY_LABELS,
            "UNPRIVILEGED_POD": "true",
        },
    }


def _istiod(port: int) -> dict[str, Any]:
    options = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    endpoint = {"endpoint": {"address": _loopback(port)}}
    return {
        "name": "istiod",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {"cluster_name": "istiod", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _loopback(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}
