"""KServe's own controller with its webhooks, as a process beside an API server on loopback: nothing of it is played."""

import base64
import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from kleverkube.options import KServeMode
from support.cluster.programs import KSERVE_PROGRAM
from support.go_tools import module_directory
from support.kube_api_server import cached_program
from support.kubectl import run_kubectl, wait_until_served
from support.processes import ServerProcess, free_port

LOOPBACK = "127.0.0.1"
NAMESPACE = "kserve"
DEFINITION = "inferenceservices.serving.kserve.io"
WEBHOOKS = "inferenceservice.serving.kserve.io"
"""The name of two configurations: what defaults InferenceServices and pods, and what validates InferenceServices."""
MODE: KServeMode = "RawDeployment"
"""Mode in the version of KServe that tools/go pins: the last one whose module can be built as it is."""


@dataclass(frozen=True)
class KServe:
    """The controller of a cluster.

    Attributes:
        kubeconfig: kubeconfig file of the cluster.
        server: the process.
    """

    kubeconfig: Path
    server: ServerProcess

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Runs kubectl, and returns its output. Raises CalledProcessError."""
        return run_kubectl(self.kubeconfig, *arguments, stdin=stdin)

    def set_default_requests(self, **requests: str) -> None:
        """Sets what servers without `resources` request. As shipped, that is a core and 2 GiB."""
        resource = {f"{name}Request": value for name, value in requests.items()}
        patch = {"data": {"inferenceService": json.dumps({"resource": resource})}}
        self.kubectl("patch", "configmap", "inferenceservice-config", "-n", NAMESPACE, "-p", json.dumps(patch))


Expose = Callable[[int], AbstractContextManager[str]]
"""Makes a port of this machine's loopback address available to the API server; yields the address, `host:port`."""


@contextmanager
def on_loopback(port: int) -> Iterator[str]:
    """The address of a port, for an API server on this machine's loopback address."""
    yield f"{LOOPBACK}:{port}"


@contextmanager
def running_kserve(kubeconfig: Path, directory: Path, expose: Expose = on_loopback) -> Iterator[KServe]:
    """Runs the controller for a cluster; its objects stay, except for the webhooks. Skips if it was not built.

    Args:
        kubeconfig: kubeconfig file of the cluster.
        directory: for the files of the controller.
        expose: makes the port of the webhooks available to the API server.
    """
    program = cached_program(KSERVE_PROGRAM)
    if program is None:
        pytest.skip("the KServe backend is NOT TESTED here: `task test:cluster` builds KServe's controller")
    config = module_directory("github.com/kserve/kserve", "kserve") / "config"
    authority, port = trustme.CA(), free_port()
    kubectl = partial(run_kubectl, kubeconfig)
    kubectl("apply", "--server-side", "-k", str(config / "crd/full"))
    wait_until_served(kubeconfig, DEFINITION)
    kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    )
    kubectl("apply", "--server-side", "-f", str(config / "configmap/inferenceservice.yaml"))
    with (
        expose(port) as address,
        _controller(program, kubeconfig, directory, _certificate(authority, address), port) as server,
    ):
        webhooks = _webhooks(config / "webhook/manifests.yaml", authority, address)
        kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(webhooks))
        try:
            yield KServe(kubeconfig, server)
        finally:  # without the controller, they would refuse the pods of everything that runs next on the cluster
            for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
                kubectl("delete", kind, WEBHOOKS)


def _certificate(authority: trustme.CA, address: str) -> trustme.LeafCert:
    return authority.issue_cert(address.rpartition(":")[0])


@contextmanager
def _controller(
    program: Path, kubeconfig: Path, directory: Path, issued: trustme.LeafCert, port: int
) -> Iterator[ServerProcess]:
    certificates = directory / "k8s-webhook-server" / "serving-certs"  # in the directory of temporary files
    certificates.mkdir(parents=True)
    issued.private_key_pem.write_to_path(str(certificates / "tls.key"))
    (certificates / "tls.crt").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    health = free_port()
    command = [str(program), "--metrics-addr=0", f"--webhook-port={port}", f"--health-probe-addr={LOOPBACK}:{health}"]
    own = {"KUBECONFIG": str(kubeconfig), "TMPDIR": str(directory), "POD_NAMESPACE": NAMESPACE, "GOMAXPROCS": "2"}
    server = ServerProcess(command, directory / "kserve.log", lambda: _is_ready(health), env={**os.environ, **own})
    server.start(within=90)
    try:
        yield server
    finally:
        server.stop()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _webhooks(manifests: Path, authority: trustme.CA, address: str) -> list[dict[str, Any]]:
    """KServe's webhooks of InferenceServices and pods, which the API server calls at an address."""
    shipped = [each for each in yaml.safe_load_all(manifests.read_text()) if each["metadata"]["name"] == WEBHOOKS]
    for hook in [hook for each in shipped for hook in each["webhooks"]]:
        url = f"https://{address}{hook['clientConfig']['service']['path']}"
        hook["clientConfig"] = {"url": url, "caBundle": base64.b64encode(authority.cert_pem.bytes()).decode()}
        hook["admissionReviewVersions"] = [
            "v1"
        ]  # the API server has no v1beta1; KServe's manifests are patched so, too
    return shipped
