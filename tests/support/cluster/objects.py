"""API objects of the cluster itself: Services of the components that run as processes of the node, and their rights."""

import json
import subprocess

from .layout import DNS_SERVICE, METRICS_PORT, NODE, NODE_ADDRESS, Layout

SYSTEM = "kube-system"
HOSTNAME = "kubernetes.io/hostname"
Object = dict[str, object]


def create(layout: Layout) -> None:
    """Creates the objects. Raises CalledProcessError."""
    items = [simulated_node(NODE)] if layout.simulated else [*_dns(), *_metrics(), _rights_of_kube_proxy()]
    command = [layout.program("kubectl"), f"--kubeconfig={layout.component_kubeconfig('admin')}"]
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    subprocess.run(
        [*command, "create", "--filename=-"], input=objects, text=True, check=True, stdout=subprocess.DEVNULL
    )


def service_of_process(name: str, namespace: str, ports: dict[str, tuple[int, int]]) -> list[Object]:
    """A Service whose endpoint is a process of the node.

    Args:
        name: name of the Service.
        namespace: namespace of the Service.
        ports: name to the port of the Service and the port of the process; TCP.
    """
    service_ports: list[Object] = [
        {"name": each, "port": port, "targetPort": target} for each, (port, target) in ports.items()
    ]
    endpoint_ports: list[Object] = [{"name": each, "port": target} for each, (_, target) in ports.items()]
    return [_service(name, namespace, service_ports), _endpoints(name, namespace, endpoint_ports)]


def simulated_node(name: str, **resources: str) -> Object:
    """A node that kwok simulates. Pods run there without images, and succeed or stay ready.

    Args:
        name: name of the node, and the value of its label `kubernetes.io/hostname`.
        resources: further ones beside the processors and memory of a large machine.
    """
    capacity = {"cpu": "32", "memory": "256Gi", "pods": "1000"} | resources
    metadata = {"name": name, "labels": {HOSTNAME: name}, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    status = {"allocatable": capacity, "capacity": capacity}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}


def _dns() -> list[Object]:
    ports: list[Object] = [
        {"name": name, "port": 53, "protocol": protocol} for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    return [_service("kube-dns", SYSTEM, ports, clusterIP=DNS_SERVICE), _endpoints("kube-dns", SYSTEM, ports)]


def _metrics() -> list[Object]:
    registration: Object = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"name": "metrics-server", "namespace": SYSTEM},
        },
    }
    return [*service_of_process("metrics-server", SYSTEM, {"https": (443, METRICS_PORT)}), registration]


def _service(name: str, namespace: str, ports: list[Object], **spec: object) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports, **spec}}


def _endpoints(service: str, namespace: str, ports: list[Object]) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-process",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}],
    }


def _rights_of_kube_proxy() -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "kube-proxy"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:node-proxier"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:kube-proxy"}],
    }
