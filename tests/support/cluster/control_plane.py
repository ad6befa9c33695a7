"""The command lines of etcd, the API server, the controller manager and the scheduler."""

from pathlib import Path

from .layout import API_PORT, ETCD_PEER_PORT, ETCD_PORT, NODE_ADDRESS, POD_NETWORK, SERVICE_NETWORK, Layout
from .supervisor import Component

ETCD_URL = f"http://127.0.0.1:{ETCD_PORT}"
ETCD_PEER_URL = f"http://127.0.0.1:{ETCD_PEER_PORT}"
ISSUER = "https://kubernetes.default.svc.cluster.local"


def components(layout: Layout) -> list[Component]:
    """The components of the control plane."""
    return [
        Component("etcd", etcd_command(layout.directory / "etcd", ETCD_URL, ETCD_PEER_URL)),
        Component("kube-apiserver", _api_server(layout)),
        Component("kube-controller-manager", _controller_manager(layout)),
        Component("kube-scheduler", _scheduler(layout)),
    ]


def etcd_command(data: Path, url: str, peer_url: str) -> list[str]:
    """An etcd without fsync: a test cluster does not outlive a crash of the machine.

    Args:
        data: a directory.
        url: for clients.
        peer_url: for other members, of which there are none.
    """
    return [
        *("etcd", f"--data-dir={data}", "--unsafe-no-fsync"),
        *(f"--listen-client-urls={url}", f"--advertise-client-urls={url}"),
        *(f"--listen-peer-urls={peer_url}", f"--initial-advertise-peer-urls={peer_url}"),
        f"--initial-cluster=default={peer_url}",
    ]


def _api_server(layout: Layout) -> list[str]:
    """The API server, with the authorization and the aggregation layer of a production cluster."""
    pki = layout.pki
    return [
        *(layout.program("kube-apiserver"), f"--etcd-servers={ETCD_URL}", "--allow-privileged=true"),
        *("--bind-address=0.0.0.0", f"--secure-port={API_PORT}", f"--advertise-address={NODE_ADDRESS}"),
        *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--anonymous-auth=false"),
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        *(f"--client-ca-file={pki / 'ca.crt'}", *_pair("tls-cert-file", "tls-private-key-file", layout, "api-server")),
        *_pair("kubelet-client-certificate", "kubelet-client-key", layout, "api-server-as-kubelet-client"),
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        *(f"--service-account-issuer={ISSUER}", f"--service-account-key-file={pki / 'service-accounts.key'}"),
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        *(f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",),
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        *("--requestheader-group-headers=X-Remote-Group", "--requestheader-username-headers=X-Remote-User"),
        *_pair("proxy-client-cert-file", "proxy-client-key-file", layout, "front-proxy-client"),
    ]


def _controller_manager(layout: Layout) -> list[str]:
    """All controllers; the autoscaler looks every two seconds, so that tests need not wait for its usual fifteen."""
    pki = layout.pki
    return [
        *(layout.program("kube-controller-manager"), *_identity(layout, "controller-manager")),
        *("--leader-elect=false", "--use-service-account-credentials=true", "--bind-address=127.0.0.1"),
        *(f"--service-account-private-key-file={pki / 'service-accounts.key'}", f"--root-ca-file={pki / 'ca.crt'}"),
        *(f"--cluster-signing-cert-file={pki / 'ca.crt'}", f"--cluster-signing-key-file={pki / 'ca.key'}"),
        *("--allocate-node-cidrs=true", f"--cluster-cidr={POD_NETWORK}"),
        *(f"--service-cluster-ip-range={SERVICE_NETWORK}", "--horizontal-pod-autoscaler-sync-period=2s"),
    ]


def _scheduler(layout: Layout) -> list[str]:
    """The scheduler."""
    return [
        *(layout.program("kube-scheduler"), *_identity(layout, "scheduler")),
        *("--leader-elect=false", "--bind-address=127.0.0.1"),
    ]


def _identity(layout: Layout, user: str) -> list[str]:
    file = layout.component_kubeconfig(user)
    return [f"--{use}={file}" for use in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]


def _pair(certificate: str, key: str, layout: Layout, name: str) -> tuple[str, str]:
    return f"--{certificate}={layout.pki / name}.crt", f"--{key}={layout.pki / name}.key"
