"""Components that run as processes of the node instead of pods, so that they need no images."""

from . import istio
from .layout import CLUSTER_DOMAIN, METRICS_PORT, NODE_ADDRESS, Layout
from .supervisor import Component

SIMULATED_NODES = "kwok.x-k8s.io/node=fake"
"""The annotation of the nodes that kwok simulates."""


def components(layout: Layout) -> list[Component]:
    """CoreDNS, metrics-server, kwok, and Istio."""
    return [
        Component("coredns", _coredns(layout)),
        Component("metrics-server", _metrics_server(layout)),
        Component("kwok", _kwok(layout)),
        *istio.components(layout),
    ]


def _coredns(layout: Layout) -> list[str]:
    """CoreDNS, behind the Service kube-dns."""
    configuration = layout.directory / "Corefile"
    configuration.write_text(f""".:53 {{
  bind {NODE_ADDRESS}
  errors
  kubernetes {CLUSTER_DOMAIN} in-addr.arpa {{
    kubeconfig {layout.component_kubeconfig("admin")} test
    pods insecure
  }}
  cache 5
}}
""")
    return [layout.program("coredns"), f"-conf={configuration}"]


def _metrics_server(layout: Layout) -> list[str]:
    """metrics-server with its shortest resolution, so that the autoscaler soon has figures."""
    kubeconfig = layout.component_kubeconfig("admin")
    return [
        *(layout.program("metrics-server"), f"--secure-port={METRICS_PORT}", f"--bind-address={NODE_ADDRESS}"),
        f"--cert-dir={layout.directory / 'metrics-server'}",
        *(f"--{use}={kubeconfig}" for use in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")),
        *("--metric-resolution=10s", "--kubelet-request-timeout=5s", "--kubelet-preferred-address-types=InternalIP"),
        f"--kubelet-certificate-authority={layout.pki / 'ca.crt'}",
    ]


def _kwok(layout: Layout) -> list[str]:
    """kwok, which simulates nodes with an annotation and leaves the others alone."""
    return [
        *(layout.program("kwok"), f"--kubeconfig={layout.component_kubeconfig('admin')}"),
        *("--manage-all-nodes=false", f"--manage-nodes-with-annotation-selector={SIMULATED_NODES}"),
    ]
