"""Istio's control plane as a process of the node, and a plain Envoy as its gateway: no images, no sidecars."""

import json
import sysconfig
from pathlib import Path
from typing import Any

from .layout import CLUSTER_DOMAIN, LOOPBACK, NODE_ADDRESS, Layout
from .objects import Object, service_of_process
from .supervisor import Component

NAMESPACE = "istio-system"
GATEWAY_LABELS = {"istio": "ingressgateway"}
"""The selector of Istio's Gateway resources."""
DISCOVERY_PORT, WEBHOOK_PORT, READY_PORT, MONITORING_PORT = 15010, 15017, 15080, 15014
GATEWAY_PORT, ENVOY_ADMIN_PORT = 18080, 15000
STATISTICS = {
    "use_all_default_tags": False,
    "stats_tags": [
        {"tag_name": "cluster_name", "regex": r"^cluster(\.(.+);)"},
        {"tag_name": "response_code", "regex": r"_rq(_(\d{3}))$"},
        {"tag_name": "response_code_class", "regex": r"_rq(_(\dxx))$"},
    ],
}
"""The labels of Envoy's metrics, as in the bootstrap of Istio's own Envoy."""
VERSION = "1.30.0"
_PLAIN_ENVOY = {
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_DISABLE_MX_ALPN": "true",
}
"""Leaves out the filters that only Istio's own build of Envoy has."""

RUNTIME = {"re2.max_program_size.error_level": 32768}
"""Limit of the size of regular expressions in routes, as in the bootstrap of Istio's proxies."""


def components(layout: Layout) -> list[Component]:
    """Istiod and Envoy. They are started on demand, see `gateway.py`."""
    return [_istiod(layout), _envoy(layout)]


def objects() -> list[Object]:
    """The namespace, the Service and the validating webhook of istiod; Istio's resource definitions are separate."""
    ports = {"grpc-xds": (DISCOVERY_PORT, DISCOVERY_PORT), "https-webhook": (443, WEBHOOK_PORT)}
    rule = {
        "operations": ["CREATE", "UPDATE"],
        "apiGroups": ["networking.istio.io", "security.istio.io", "telemetry.istio.io"],
        "apiVersions": ["*"],
        "resources": ["*"],
    }
    webhook = {
        "name": "validation.istio.io",
        "clientConfig": {"service": {"name": "istiod", "namespace": NAMESPACE, "path": "/validate"}},
        "rules": [rule],
        "failurePolicy": "Ignore",  # istiod changes it when it is ready
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *service_of_process("istiod", NAMESPACE, ports),
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "istio-validator", "labels": {"app": "istiod", "istio.io/rev": "default"}},
            "webhooks": [webhook],
        },
    ]


def _istiod(layout: Layout) -> Component:
    mesh = layout.directory / "mesh.json"
    mesh.write_text(json.dumps(_mesh()))
    command = [
        *(layout.program("pilot-discovery"), "discovery", f"--kubeconfig={layout.component_kubeconfig('admin')}"),
        *(f"--namespace={NAMESPACE}", "--clusterID=Kubernetes", f"--meshConfig={mesh}", f"--httpAddr=:{READY_PORT}"),
        *(f"--grpcAddr=:{DISCOVERY_PORT}", "--secureGRPCAddr=", f"--httpsAddr=:{WEBHOOK_PORT}"),
        f"--monitoringAddr={LOOPBACK}:{MONITORING_PORT}",
    ]
    environment = {
        "POD_NAMESPACE": NAMESPACE,
        "POD_NAME": "istiod",
        "CLUSTER_ID": "Kubernetes",
        "REVISION": "default",  # selects the webhook by its label
        "PILOT_CERT_PROVIDER": "istiod",
        "VALIDATION_WEBHOOK_CONFIG_NAME": "istio-validator",
        **_PLAIN_ENVOY,
    }
    return Component("istiod", command, environment=environment)


def _envoy(layout: Layout) -> Component:
    bootstrap = layout.directory / "envoy.json"
    bootstrap.write_text(json.dumps(_envoy_bootstrap()))
    envoy = Path(sysconfig.get_path("scripts")) / "envoy"
    options = ("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning")
    return Component("envoy", [str(envoy), "--config-path", str(bootstrap), *options])


def _envoy_bootstrap() -> dict[str, Any]:
    """The configuration of an Envoy that receives all else from istiod, as a gateway with `GATEWAY_LABELS`."""
    discovered = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    return {
        "node": _envoy_node(),
        "admin": {"address": _address(ENVOY_ADMIN_PORT)},
        "layered_runtime": {"layers": [{"name": "istio", "static_layer": RUNTIME}]},
        "stats_config": STATISTICS,
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
        "static_resources": {"clusters": [_istiod_cluster()]},
    }


def _mesh() -> dict[str, Any]:
    """Return the configuration without automatic mTLS: an Envoy without Istio's agent never receives certificates."""
    return {
        "enableAutoMtls": False,
        "enablePrometheusMerge": False,
        "rootNamespace": NAMESPACE,
        "defaultConfig": {"discoveryAddress": f"{LOOPBACK}:{DISCOVERY_PORT}"},
        "defaultProviders": {"metrics": []},
    }


def _envoy_node() -> dict[str, Any]:
    domain = f"{NAMESPACE}.svc.{CLUSTER_DOMAIN}"
    return {
        "id": f"router~{NODE_ADDRESS}~gateway.{NAMESPACE}~{domain}",
        "cluster": f"gateway.{NAMESPACE}",
        "metadata": {
            "NAME": "gateway",
            "NAMESPACE": NAMESPACE,
            "CLUSTER_ID": "Kubernetes",
            "ISTIO_VERSION": VERSION,
            "INSTANCE_IPS": NODE_ADDRESS,
            "LABELS": GATEWAY_LABELS,
            "UNPRIVILEGED_POD": "true",
        },
    }


def _istiod_cluster() -> dict[str, Any]:
    options = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    endpoint = {"endpoint": {"address": _address(DISCOVERY_PORT)}}
    return {
        "name": "istiod",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {"cluster_name": "istiod", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}
