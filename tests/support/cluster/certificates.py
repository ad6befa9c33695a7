"""Certificates and kubeconfig files of a test cluster."""

import base64
import json
from pathlib import Path

import trustme

from .layout import API_PORT, API_SERVICE, CLUSTER_DOMAIN, LOOPBACK, NODE, NODE_ADDRESS, Layout

ADMINISTRATORS = "system:masters"
USERS = {
    "admin": ("admin", ADMINISTRATORS),
    "controller-manager": ("system:kube-controller-manager", None),
    "scheduler": ("system:kube-scheduler", None),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", None),
    "api-server-as-kubelet-client": ("kube-apiserver-kubelet-client", ADMINISTRATORS),
}
"""File name to the user and the group that the API server sees, by the subject of the certificate."""
CLIENT = "client.test"
"""A name for certificates that name a user: trustme marks the list of names critical, and Go refuses an empty one."""
SERVICE = "kubernetes.default.svc"
API_NAMES = ("kubernetes", "kubernetes.default", SERVICE, f"{SERVICE}.{CLUSTER_DOMAIN}", "localhost")


def write_certificates(layout: Layout, *, host_port: int) -> None:
    """Writes an authority for the cluster, one for the aggregation layer, and everything that they issue.

    Args:
        layout: layout of the cluster.
        host_port: the port of the host's loopback address that leads to the API server.
    """
    layout.pki.mkdir(parents=True, exist_ok=True)
    layout.pki.chmod(0o700)
    authority, front_proxy = trustme.CA(key_type=trustme.KeyType.ECDSA), trustme.CA()
    authority.cert_pem.write_to_path(layout.pki / "ca.crt")
    authority.private_key_pem.write_to_path(layout.pki / "ca.key")
    front_proxy.cert_pem.write_to_path(layout.pki / "front-proxy-ca.crt")
    _issue(authority, layout.pki / "api-server", *API_NAMES, LOOPBACK, API_SERVICE, NODE_ADDRESS)
    _issue(authority, layout.pki / "kubelet-server", NODE, LOOPBACK, NODE_ADDRESS)
    _issue(front_proxy, layout.pki / "front-proxy-client", CLIENT, common_name="front-proxy-client")
    _issue(trustme.CA(), layout.pki / "service-accounts", CLIENT)
    for user, (name, group) in USERS.items():
        _issue(authority, layout.pki / user, CLIENT, common_name=name, group=group)
        layout.component_kubeconfig(user).write_text(_kubeconfig(layout.pki, user, API_PORT))
    layout.kubeconfig.write_text(_kubeconfig(layout.pki, "admin", host_port))


def _issue(
    authority: trustme.CA, file: Path, *hosts: str, common_name: str | None = None, group: str | None = None
) -> None:
    certificate = authority.issue_cert(*hosts, common_name=common_name, organization_name=group)
    certificate.private_key_pem.write_to_path(file.with_name(f"{file.name}.key"))
    certificate.cert_chain_pems[0].write_to_path(file.with_name(f"{file.name}.crt"))


def _kubeconfig(pki: Path, user: str, port: int) -> str:
    """A kubeconfig that needs no other file, so that it can be copied into a pod; JSON is YAML."""

    def data(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    server = f"https://{LOOPBACK}:{port}"
    cluster = {"server": server, "certificate-authority-data": data("ca.crt")}
    credentials = {"client-certificate-data": data(f"{user}.crt"), "client-key-data": data(f"{user}.key")}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
    )
