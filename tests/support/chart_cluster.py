"""An API server with the kinds of objects that the Helm chart may create."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.cluster.programs import istio_crds
from support.custom_definitions import STORED
from support.go_tools import module_directory
from support.helm import Object
from support.kubectl import Kubectl, run_kubectl, wait_until_served

RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
ISTIO = tuple(f"{plural}.networking.istio.io" for plural in ("gateways", "virtualservices", "destinationrules"))


def _definitions() -> list[Object]:
    """The kinds of Istio, the Gateway API, KServe and the Prometheus Operator, with their own schemas."""
    gateway_api = module_directory("sigs.k8s.io/gateway-api", "istio") / "config/crd/standard"
    kserve = module_directory("github.com/kserve/kserve", "kserve") / "config/crd/full"
    files = (
        *(STORED / f"{name}.yaml" for name in ("servicemonitors", "prometheusrules")),
        gateway_api / "gateway.networking.k8s.io_gateways.yaml",
        kserve / "serving.kserve.io_clusterstoragecontainers.yaml",
        kserve / "serving.kserve.io_clusterservingruntimes.yaml",
    )
    istio = yaml.load_all(istio_crds().read_text(), yaml.CSafeLoader)
    routes = [each for each in istio if each and each["metadata"]["name"] in ISTIO]
    return [*routes, *(yaml.load(file.read_text(), yaml.CSafeLoader) for file in files)]


@dataclass(frozen=True)
class Cluster:
    """The API server, as an administrator or a ServiceAccount uses it.

    Attributes:
        kubeconfig: with the credentials.
    """

    kubeconfig: Path

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl. Return its output."""
        return run_kubectl(self.kubeconfig, *arguments, stdin=stdin)

    async def refusal(self, *arguments: str, stdin: str = "") -> str:
        """Run a command of kubectl that must fail. Return its output."""
        return await Kubectl(self.kubeconfig).run(*arguments, stdin=stdin, fails=True)

    def apply(self, objects: Iterable[Object], *options: str) -> None:
        """Apply objects with strict validation. A refusal fails the test."""
        stdin = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.run("apply", "--server-side", "--validate=strict", *options, "-f", "-", stdin=stdin)

    def install_kinds(self) -> None:
        """Define the kinds of other projects that the chart may use."""
        definitions = _definitions()
        self.apply(definitions, "--force-conflicts")
        wait_until_served(self.kubeconfig, *(each["metadata"]["name"] for each in definitions))

    def create_namespace(self, name: str) -> None:
        """Create a namespace whose pods must be restricted, unless it exists."""
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}])

    def read(self, kind: str, name: str, namespace: str) -> Any:
        """Read an object; None if it does not exist."""
        text = self.run("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text else None

    def names(self, kind: str, namespace: str) -> set[str]:
        """The names of the objects of a kind."""
        return set(self.run("get", kind, "-n", namespace, "-o", "jsonpath={.items[*].metadata.name}").split())

    def account(self, name: str, namespace: str) -> "Cluster":
        """The same server, as a ServiceAccount uses it."""
        token = self.run("create", "token", name, "-n", namespace).strip()
        document = yaml.safe_load(self.kubeconfig.read_text())
        document["users"] = [{"name": "administrator", "user": {"token": token}}]
        path = self.kubeconfig.parent / f"kubeconfig-of-{name}"
        path.write_text(yaml.safe_dump(document))
        return Cluster(path)
