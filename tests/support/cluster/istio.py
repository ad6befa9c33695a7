"""Istio's control plane and a gateway as processes of the node."""

import json

from support import istio_proxy
from support.istio_proxy import NAMESPACE

from .layout import CLUSTER_DOMAIN, LOOPBACK, NODE_ADDRESS, Layout
from .objects import Object, service_of_process
from .supervisor import Component

DISCOVERY_PORT, WEBHOOK_PORT, READY_PORT, MONITORING_PORT = 15010, 15017, 15080, 15014
GATEWAY_PORT, ENVOY_ADMIN_PORT = 18080, 15000


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
    mesh.write_text(json.dumps(istio_proxy.mesh(DISCOVERY_PORT)))
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
        **istio_proxy.PLAIN_ENVOY,
    }
    return Component("istiod", command, environment=environment)


def _envoy(layout: Layout) -> Component:
    bootstrap = layout.directory / "envoy.json"
    content = istio_proxy.envoy_bootstrap(
        address=NODE_ADDRESS, domain=CLUSTER_DOMAIN, discovery_port=DISCOVERY_PORT, admin_port=ENVOY_ADMIN_PORT
    )
    bootstrap.write_text(json.dumps(content))
    return Component("envoy", istio_proxy.envoy_command(bootstrap))
