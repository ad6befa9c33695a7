"""An API server with the kinds of objects that the Helm chart may create."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from support import custom_definitions
from support.cluster.programs import istio_crds
from support.go_tools import module_files
from support.helm import Object
from support.kube_api_server import cached_program

RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}


def _definitions() -> list[Object]:
    """The kinds of Istio, the Gateway API, KServe and the Prometheus Operator, with their own schemas."""
    gateway_api = module_files("sigs.k8s.io/gateway-api", "istio") / "config/crd/standard"
    kserve = module_files("github.com/kserve/kserve", "kserve") / "config/crd/full"
    files = (
        *(custom_definitions.DIRECTORY / f"{name}.yaml" for name in ("servicemonitors", "prometheusrules")),
        gateway_api / "gateway.networking.k8s.io_gateways.yaml",
        kserve / "serving.kserve.io_clusterstoragecontainers.yaml",
        kserve / "serving.kserve.io_clusterservingruntimes.yaml",
    )
    istio = yaml.load_all(istio_crds().read_text(), yaml.CSafeLoader)
    gateways = [each for each in istio if each and each["metadata"]["name"] == "gateways.networking.istio.io"]
    return [*gateways, *(yaml.load(file.read_text(), yaml.CSafeLoader) for file in files)]


class Cluster:
    """The API server, as an administrator uses it.

    Args:
        kubeconfig: of the administrator.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def kubectl(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl."""
        command = [str(cached_program("kubectl")), f"--kubeconfig={self.kubeconfig}"]
        cache = f"--cache-dir={self.kubeconfig.parent / 'kubectl-cache'}"
        return subprocess.run([*command, cache, *arguments], input=given, capture_output=True, text=True, check=False)

    def apply(self, objects: Iterable[Object], *options: str) -> None:
        """Apply objects with strict validation. A refusal fails the test."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        completed = self.kubectl("apply", "--server-side", "--validate=strict", *options, "-f", "-", given=given)
        assert completed.returncode == 0, completed.stderr

    def install_kinds(self) -> None:
        """Define the kinds of other projects that the chart may use."""
        definitions = _definitions()
        self.apply(definitions, "--force-conflicts")
        names = [f"crd/{each['metadata']['name']}" for each in definitions]
        completed = self.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)
        assert completed.returncode == 0, completed.stderr

    def create_namespace(self, name: str) -> None:
        """Create a namespace whose pods must be restricted, unless it exists."""
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}])

    def read(self, kind: str, name: str, namespace: str) -> Any:
        """Read an object; None if it does not exist."""
        completed = self.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        assert completed.returncode == 0, completed.stderr
        return json.loads(completed.stdout) if completed.stdout else None

    def names(self, kind: str, namespace: str) -> set[str]:
        """The names of the objects of a kind."""
        completed = self.kubectl("get", kind, "-n", namespace, "-o", "jsonpath={.items[*].metadata.name}")
        assert completed.returncode == 0, completed.stderr
        return set(completed.stdout.split())
