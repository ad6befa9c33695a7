"""A gateway of Istio for tests: istiod inside the cluster, and an Envoy that follows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from support.istio_proxy import GATEWAY_LABELS, NAMESPACE

from . import istio, programs
from .cluster import Cluster
from .layout import LOOPBACK, NODE_ADDRESS
from .polling import wait_until

SECONDS_TO_START = 90.0
GATEWAY_NAME = f"{NAMESPACE}/klever-gateway"
"""Gateway that VirtualServices bind to."""
HTTP_GATEWAY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Gateway",
    "metadata": {"name": GATEWAY_NAME.rpartition("/")[2], "namespace": NAMESPACE},
    "spec": {
        "selector": GATEWAY_LABELS,
        "servers": [{"port": {"number": istio.GATEWAY_PORT, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
    },
}


@dataclass(frozen=True)
class Gateway:
    """A running gateway.

    Attributes:
        url: on the host.
        admin_url: URL of Envoy's admin interface, on the host.
    """

    url: str
    admin_url: str


@contextmanager
def running_gateway(cluster: Cluster) -> Iterator[Gateway]:
    """Starts istiod and Envoy. Envoy listens as soon as a VirtualService binds to `istio-system/klever-gateway`."""
    install_istio(cluster)
    cluster.start("envoy")
    with (
        cluster.forward(NODE_ADDRESS, istio.GATEWAY_PORT) as port,
        cluster.forward(LOOPBACK, istio.ENVOY_ADMIN_PORT) as admin_port,
    ):
        yield Gateway(f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{admin_port}")


def install_istio(cluster: Cluster) -> None:
    """Starts istiod, and waits until its webhook validates resources.

    Raises:
        TimeoutError: istiod is not ready.
    """
    programs.build_istio()
    cluster.kubectl("apply", "--server-side", f"--filename={programs.istio_crds()}")
    if not _is_installed(cluster):
        cluster.apply(*istio.objects())  # istiod changes the webhook afterwards
    cluster.start("istiod")
    if not wait_until(lambda: _validates(cluster), SECONDS_TO_START):
        raise TimeoutError(f"istiod is not ready:\n{(cluster.layout.logs / 'istiod.log').read_text()[-3000:]}")
    cluster.apply(HTTP_GATEWAY)


def _is_installed(cluster: Cluster) -> bool:
    name = cluster.kubectl("get", "validatingwebhookconfiguration", "istio-validator", "--ignore-not-found")
    return bool(name)


def _validates(cluster: Cluster) -> bool:
    """Return whether istiod has made the webhook mandatory, which it does when it validates."""
    webhook = cluster.get("validatingwebhookconfiguration", "istio-validator")["webhooks"][0]
    return bool(webhook["failurePolicy"] == "Fail" and webhook["clientConfig"].get("caBundle"))
