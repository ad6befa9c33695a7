"""A real API server accepts the objects of the Helm chart, in namespaces that enforce restricted pods."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from klever.platform.cluster_credentials import SEEDS
from support.chart_cluster import Cluster
from support.helm import CASES, CHART, DEFAULT, NAMESPACE, helm, of_kind, pods, rendered, values_of

pytestmark = [pytest.mark.api_server, pytest.mark.timeout(300)]

ACCOUNT = "klever-credentials"
SECRET = "klever-credentials"
INSTALLED = "installed"
"""The namespace of an installation, because volumes that it leaves cannot be changed."""


@pytest.fixture(scope="module")
def cluster(kubeconfig: Path) -> Cluster:
    cluster = Cluster(kubeconfig)
    cluster.install_kinds()
    for name in (NAMESPACE, "monitoring", "team-1", "team-2", "ml-jobs"):
        cluster.create_namespace(name)
    return cluster


@pytest.mark.parametrize("case", CASES)
def test_every_object_is_accepted_with_strict_validation(cluster: Cluster, case: str) -> None:
    cluster.apply(rendered(case), "--dry-run=server", "--force-conflicts")


@pytest.mark.parametrize("case", CASES)
def test_every_pod_is_restricted(cluster: Cluster, case: str) -> None:
    cluster.apply(as_pods(rendered(case)), "--dry-run=server")


def as_pods(objects: list[Any]) -> list[Any]:
    """The pods of workloads, as their controllers create them. Claims of a StatefulSet become volumes."""
    created = []
    for number, (_, pod) in enumerate(pods(objects)):
        spec = {**pod["spec"], "serviceAccountName": "default"}
        volumes = {each["name"] for each in spec["volumes"]}
        missing = {mount["name"] for each in spec["containers"] for mount in each["volumeMounts"]} - volumes
        spec["volumes"] = [*spec["volumes"], *({"name": name, "emptyDir": {}} for name in sorted(missing))]
        metadata = {"name": f"pod-{number}", "namespace": NAMESPACE, "labels": pod["metadata"]["labels"]}
        created.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    return created


async def test_a_pod_that_is_not_restricted_would_be_refused(cluster: Cluster) -> None:
    [pod, *_] = as_pods(rendered(DEFAULT))
    del pod["spec"]["securityContext"]["runAsNonRoot"]
    refusal = await cluster.refusal("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    assert 'violates PodSecurity "restricted:latest"' in refusal


@pytest.fixture
def _namespace(cluster: Cluster) -> Iterator[None]:
    """The namespace of an installation. Its volume has a finalizer of a controller that does not run here."""
    cluster.create_namespace(INSTALLED)
    yield
    for name in cluster.names("persistentvolumeclaims", INSTALLED):
        cluster.run("patch", "pvc", name, "-n", INSTALLED, "--type=merge", '--patch={"metadata": {"finalizers": null}}')


@pytest.mark.usefixtures("_namespace")
def test_installation_upgrade_and_removal(cluster: Cluster) -> None:
    common = ("klever", "--namespace", INSTALLED, "--kubeconfig", str(cluster.kubeconfig))
    chart = (*common[:1], str(CHART), *common[1:], "--no-hooks", "--values", str(values_of(DEFAULT)))
    installed = helm("install", *chart, "--take-ownership")  # of cluster-wide objects that other tests have left
    assert installed.returncode == 0, installed.stderr
    assert "`helm uninstall` stops the services, and nothing that serves" in installed.stdout
    assert "Servings:  http://models.example.com (backend cluster, routes by istio)" in installed.stdout
    workload = cluster.read("deployment", "klever-gateway", INSTALLED)
    cluster.run("create", "configmap", "copy-of-a-serving", "-n", INSTALLED)
    upgraded = helm("upgrade", *chart, "--set", "gateway.replicas=3,nats.replicas=5")
    assert upgraded.returncode == 0, upgraded.stderr
    changed = cluster.read("deployment", "klever-gateway", INSTALLED)
    assert (workload["spec"]["replicas"], changed["spec"]["replicas"]) == (2, 3)

    removed = helm("uninstall", *common, "--no-hooks")
    assert removed.returncode == 0, removed.stderr
    assert cluster.names("deployments,statefulsets,services", INSTALLED) == set()
    assert {"servings.klever.dev", "modeljobs.kleveross.io"} <= cluster.names("customresourcedefinitions", INSTALLED)
    assert "klever-registry" in cluster.names("persistentvolumeclaims", INSTALLED)
    assert "copy-of-a-serving" in cluster.names("configmaps", INSTALLED)
    again = helm("install", *chart)
    assert again.returncode == 0, again.stderr
    assert helm("uninstall", *common, "--no-hooks").returncode == 0


@pytest.fixture
def account(cluster: Cluster) -> Cluster:
    """The API server, as the Job that creates credentials uses it."""
    for name in ("klever-credentials", "klever-registry"):
        cluster.run("delete", "secret", name, "-n", NAMESPACE, "--ignore-not-found")
    hooks = [each for each in rendered(DEFAULT) if each["metadata"]["name"] == ACCOUNT and each["kind"] != "Job"]
    cluster.apply(hooks, "--force-conflicts")
    return cluster.account(ACCOUNT, NAMESPACE)


def provide(account: Cluster, *, objects: list[Any] | None = None) -> str:
    """Run the command of the Job with its account."""
    [job] = of_kind(objects or rendered(DEFAULT), "Job")
    [container] = job["spec"]["template"]["spec"]["containers"]
    program = [sys.executable, *container["command"][1:], *container["args"], f"--kubeconfig={account.kubeconfig}"]
    completed = subprocess.run(program, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def entries(cluster: Cluster, name: str = SECRET) -> dict[str, str]:
    data = cluster.read("secret", name, NAMESPACE)["data"]
    return {key: base64.b64decode(text).decode() for key, text in data.items()}


def test_the_job_creates_the_credentials_that_the_pods_mount(cluster: Cluster, account: Cluster) -> None:
    provide(account)
    created, login = entries(cluster), entries(cluster, "klever-registry")
    assert login == {"username": "klever", "password": created["registry-password"]}
    mounted = {
        item["key"]
        for _, pod in pods(rendered(DEFAULT))
        for volume in pod["spec"]["volumes"]
        for source in (volume, *volume.get("projected", {}).get("sources", ()))
        for item in source.get("secret", {}).get("items", ())
    }
    assert mounted <= set(created)
    assert set(SEEDS) <= set(created)


def test_the_job_keeps_what_exists_and_adds_what_an_upgrade_needs(cluster: Cluster, account: Cluster) -> None:
    provide(account)
    first = entries(cluster)
    assert provide(account) == "Secret klever-credentials is complete\n"
    assert entries(cluster) == first
    patch = json.dumps({"data": {"webhook-secret": None, "mine": base64.b64encode(b"kept").decode()}})
    cluster.run("patch", "secret", SECRET, "-n", NAMESPACE, "--type=merge", "-p", patch)
    more = rendered(DEFAULT, "--set", "nats.replicas=5")
    assert provide(account, objects=more) == "Secret klever-credentials: added webhook-secret\n"
    second = entries(cluster)
    assert second["mine"] == "kept"
    assert "klever-nats-4.klever-nats-nodes" in second["nats-routes.conf"]
    kept = set(first) - {"webhook-secret", "nats-routes.conf"}
    assert {name: second[name] for name in kept} == {name: first[name] for name in kept}


def test_a_login_that_the_operator_has_created_is_kept(cluster: Cluster, account: Cluster) -> None:
    literal = ("--from-literal=username=robot", "--from-literal=password=theirs")
    cluster.run("create", "secret", "generic", "klever-registry", "-n", NAMESPACE, *literal)
    provide(account)
    assert entries(cluster, "klever-registry") == {"username": "robot", "password": "theirs"}


def test_a_new_password_reaches_the_login_of_pods(cluster: Cluster, account: Cluster) -> None:
    provide(account)
    patch = json.dumps({"data": {"registry-password": None}})
    cluster.run("patch", "secret", SECRET, "-n", NAMESPACE, "--type=merge", "-p", patch)
    provide(account)
    assert entries(cluster, "klever-registry")["password"] == entries(cluster)["registry-password"]


async def test_the_account_of_the_job_reads_no_other_secret(cluster: Cluster, account: Cluster) -> None:
    cluster.run("create", "secret", "generic", "other", "-n", NAMESPACE, "--from-literal=a=b")
    for arguments in (
        ("get", "secret", "other", "-n", NAMESPACE),
        ("get", "secrets", "-n", NAMESPACE),
        ("delete", "secret", SECRET, "-n", NAMESPACE),
        ("get", "secret", SECRET, "-n", "team-1"),
    ):
        assert "Forbidden" in await account.refusal(*arguments)
