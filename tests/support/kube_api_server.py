"""A real Kubernetes API server with etcd and the controllers of workloads, without nodes, on loopback."""

import os
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from support.cluster.control_plane import etcd_command
from support.go_tools import cache
from support.processes import ServerProcess, answers, free_port

TOKEN = "administrator-of-the-tests"
PROGRAMS = ("kube-apiserver", "kube-controller-manager")
CONTROLLERS = ",".join(
    f"{name}-controller"
    for name in (
        *("deployment", "replicaset", "garbage-collector", "namespace", "serviceaccount", "resourcequota"),
        *("job", "ttl-after-finished"),
    )
)
START_SECONDS = 90.0
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}],
}
"""Records the requests of ServiceAccounts, as the authorizer sees them; see `support.cluster_account`."""


def audit_log(kubeconfig: Path) -> Path:
    """The file with the requests of ServiceAccounts to the server of a kubeconfig."""
    return kubeconfig.parent / "audit.log"


def cached_program(name: str) -> Path | None:
    """A program that `task test:cluster` has built; None if it was not built."""
    program = cache() / name
    return program if program.exists() else None


@dataclass(frozen=True)
class KubeApiServer:
    """A running API server.

    Attributes:
        kubeconfig: kubeconfig file of an administrator.
        process: tests can kill it, and start it again.
    """

    kubeconfig: Path
    process: ServerProcess


@contextmanager
def kube_api_server(directory: Path) -> Iterator[KubeApiServer]:
    """Runs the servers. Skips if a program is missing."""
    missing = [name for name in PROGRAMS if cached_program(name) is None]
    missing += [] if shutil.which("etcd") else ["etcd (Debian's etcd-server)"]
    if missing:
        pytest.skip(
            f"the Kubernetes backend is NOT TESTED here: {', '.join(missing)} missing; `task test:cluster` builds"
        )
    with ExitStack() as servers:
        etcd_url = _start_etcd(directory, servers)
        server = _start_api_server(directory, etcd_url, servers)
        _start_controllers(directory, server.kubeconfig, servers)
        yield server


def _start_etcd(directory: Path, servers: ExitStack) -> str:
    client, peer = free_port(), free_port()
    url = f"http://127.0.0.1:{client}"
    command = etcd_command(directory / "etcd", url, f"http://127.0.0.1:{peer}")
    server = ServerProcess(
        command, directory / "etcd.log", lambda: answers(client), env={**os.environ, "GOMAXPROCS": "2"}
    )
    servers.callback(server.stop)
    server.start(within=START_SECONDS)
    return url


def _start_api_server(directory: Path, etcd_url: str, servers: ExitStack) -> KubeApiServer:
    port, key = free_port(), directory / "accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    tokens = directory / "tokens.csv"
    tokens.write_text(f'{TOKEN},administrator,administrator,"system:masters"\n')
    policy = directory / "audit-policy.yaml"
    policy.write_text(yaml.safe_dump(AUDIT_POLICY))
    kubeconfig = directory / "kubeconfig"
    command = [
        *(
            str(cached_program("kube-apiserver")),
            f"--etcd-servers={etcd_url}",
            f"--cert-dir={directory / 'certificates'}",
        ),
        *("--bind-address=127.0.0.1", f"--secure-port={port}", "--endpoint-reconciler-type=none"),
        *(f"--token-auth-file={tokens}", "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16"),
        *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}"),
        *(f"--service-account-signing-key-file={key}", "--min-request-timeout=60"),
        *("--disable-admission-plugins=ServiceAccount", "--kubelet-preferred-address-types=InternalIP"),
        *(f"--audit-policy-file={policy}", f"--audit-log-path={audit_log(kubeconfig)}"),
    ]
    server = ServerProcess(command, directory / "api-server.log", lambda: _is_ready(port))
    servers.callback(server.stop)
    server.start(within=START_SECONDS)
    kubeconfig.write_text(yaml.safe_dump(_kubeconfig(port)))
    return KubeApiServer(kubeconfig, server)


def _start_controllers(directory: Path, kubeconfig: Path, servers: ExitStack) -> None:
    port = free_port()
    command = [
        *(str(cached_program("kube-controller-manager")), f"--kubeconfig={kubeconfig}", "--leader-elect=false"),
        *(f"--controllers={CONTROLLERS}", "--bind-address=127.0.0.1", f"--secure-port={port}"),
        *(f"--cert-dir={directory / 'certificates-of-controllers'}", "--concurrent-gc-syncs=5"),
        *("--kube-api-qps=200", "--kube-api-burst=400"),
    ]
    server = ServerProcess(command, directory / "controllers.log", lambda: answers(port))
    servers.callback(server.stop)
    server.start(within=START_SECONDS)


def _is_ready(port: int) -> bool:
    request = urllib.request.Request(f"https://127.0.0.1:{port}/readyz", headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=2) as response:  # noqa: S310, S323
            return bool(response.status == 200)
    except OSError:
        return False


def _kubeconfig(port: int) -> dict[str, object]:
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "administrator", "user": {"token": TOKEN}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "administrator"}}],
        "current-context": "tests",
    }
