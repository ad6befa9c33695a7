"""A cluster from its first process to its last."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.processes import ServerProcess

from . import certificates, control_plane, host, images, leftovers, node
from .layout import DNS_SERVICE, NODE, NODE_ADDRESS, PAUSE_IMAGE, Layout

START_SECONDS = 90


@contextmanager
def cluster(layout: Layout) -> Iterator[Layout]:
    """Starts a cluster whose node is Ready, and removes all of it afterwards.

    Args:
        layout: where; its directory may exist and be empty.
    """
    layout.logs.mkdir(parents=True, exist_ok=True)
    certificates.write_certificates(layout)
    node.write_configuration(layout)
    with ExitStack() as stack:
        stack.enter_context(host.network_namespace(layout))
        _start_control_plane(stack, layout)
        stack.enter_context(host.control_groups(layout))
        with host.kernel_settings():
            _start_node(stack, layout)
        yield layout


def kubectl(layout: Layout, *arguments: str, stdin: str | None = None) -> str:
    """Runs kubectl as the administrator, and returns what it prints. Raises CalledProcessError."""
    command = layout.inside(layout.program("kubectl"), f"--kubeconfig={layout.kubeconfig('admin')}", *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True, input=stdin).stdout


def _start_control_plane(stack: ExitStack, layout: Layout) -> None:
    _start(stack, layout, "etcd", control_plane.etcd(layout), lambda: True)
    _start(stack, layout, "kube-apiserver", control_plane.api_server(layout), lambda: _succeeds(layout, "/readyz"))
    accounts = "/api/v1/namespaces/default/serviceaccounts/default"
    _start(
        stack,
        layout,
        "kube-controller-manager",
        control_plane.controller_manager(layout),
        lambda: _succeeds(layout, accounts),
    )
    _start(stack, layout, "kube-scheduler", control_plane.scheduler(layout), lambda: True)


def _start_node(stack: ExitStack, layout: Layout) -> None:
    stack.callback(leftovers.remove_remains, layout, namespaces := set[str]())
    _start(stack, layout, "containerd", node.containerd(layout), layout.containerd_socket.exists)
    images.load(layout, _pause_image(layout))
    stack.callback(lambda: namespaces.update(leftovers.kill_containers(layout)))
    _start(stack, layout, "kubelet", node.kubelet(layout), lambda: _node_is_ready(layout))
    kubectl(layout, "apply", "--filename=-", stdin=json.dumps(_cluster_objects()))
    _start(stack, layout, "kube-proxy", node.kube_proxy(layout), lambda: True)
    _start(stack, layout, "coredns", node.coredns(layout), lambda: True)


def _start(
    stack: ExitStack, layout: Layout, name: str, command: Sequence[str], is_ready: Callable[[], bool]
) -> ServerProcess:
    process = ServerProcess(layout.inside(*command), layout.logs / f"{name}.log", is_ready)
    stack.callback(process.stop)
    process.start(within=START_SECONDS)
    return process


def _succeeds(layout: Layout, path: str) -> bool:
    try:
        kubectl(layout, "get", f"--raw={path}")
    except subprocess.CalledProcessError:
        return False
    return True


def _node_is_ready(layout: Layout) -> bool:
    ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    try:
        return kubectl(layout, "get", "node", NODE, f"--output={ready}") == "True"
    except subprocess.CalledProcessError:
        return False


def _pause_image(layout: Layout) -> Path:
    root = layout.directory / "pause"
    root.mkdir(exist_ok=True)
    (root / "pause").write_bytes(Path(layout.program("pause")).read_bytes())
    (root / "pause").chmod(0o755)
    return images.archive(PAUSE_IMAGE, root, layout.directory / "pause.tar", entrypoint=("/pause",))


def _cluster_objects() -> dict[str, object]:
    """The Service of the cluster's DNS with the node as its endpoint, and the rights of kube-proxy."""
    ports = [
        {"name": name, "port": 53, "protocol": protocol} for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": DNS_SERVICE, "ports": ports},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns-node",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}],
    }
    rights = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "kube-proxy"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:node-proxier"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:kube-proxy"}],
    }
    return {"apiVersion": "v1", "kind": "List", "items": [service, endpoints, rights]}
