"""Reasons why pods of a version do not start, reported by the kubelet of a real node and the controllers."""

import json
import re
from typing import Any

import pytest

from klever_deployer.adapters.kubernetes.kinds import name_of
from klever_deployer.adapters.kubernetes.workloads import ClusterWorkloads
from klever_deployer.domain.versions import VersionSpec, VersionState
from kleverproto.variants import Resources
from kleverroutes.versions import ServingName
from support.cluster.cluster import Cluster
from support.cluster.workloads import busybox_version, running_workloads
from support.waiting import eventually

WITHIN = 240.0
WEB = "mkdir -p /tmp/www; echo ok > /tmp/www/index.html; exec busybox httpd -f -p 8080 -h /tmp/www"
MORE_MEMORY = "x=x; while true; do x=$x$x; done"
GIBIBYTE = Resources(memory="1Gi")
LONGEST = {"apiVersion": "v1", "kind": "LimitRange", "spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}}
QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"limits.memory": "900Mi"}}}

REASONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "absent-image": (WEB, {"image": "klever.test/absent:1"}, r"the image klever\.test/absent:1 cannot be pulled: .+"),
    "out-of-memory": (
        MORE_MEMORY,
        {},
        r"the container server was killed because it used more than 32Mi of .*",
    ),
    "crash-loop": (
        "echo the first line; echo cannot load the model; exit 3",
        {},
        r"the model server exits with code 3: the first line\ncannot load the model",
    ),
    "too-large": (WEB, {"resources": Resources(cpu="1500", memory="1Mi")}, r"no node can run it: .*Insufficient cpu.*"),
}


def state_of(workloads: ClusterWorkloads, spec: VersionSpec) -> VersionState:
    return next(each for each in workloads.states() if each.key == spec.key)


async def test_the_reason_of_each_failure_is_named(cluster_with_initializer: Cluster, cluster_namespace: str) -> None:
    serving = ServingName(cluster_namespace, "iris")
    specs = {
        name: busybox_version(cluster_with_initializer, serving, name, script, **changes)
        for name, (script, changes, _) in REASONS.items()
    }
    async with running_workloads(cluster_with_initializer) as workloads:
        for spec in specs.values():
            await workloads.apply(spec, 1)

        async def are_named() -> dict[str, str | None] | None:
            problems = {name: state_of(workloads, spec).problem for name, spec in specs.items()}
            return problems if all(problems.values()) else None

        problems = await eventually(are_named, within=WITHIN, every=0.5) or {}
        for name, (_, _, expected) in REASONS.items():
            assert re.fullmatch(expected, problems[name] or "", re.DOTALL), problems[name]


async def test_the_message_of_the_initializer_is_the_reason(
    own_cluster: Cluster, cluster_namespace: str, platform_images: dict[str, str]
) -> None:
    enough = Resources(memory="512Mi")
    spec = busybox_version(own_cluster, ServingName(cluster_namespace, "iris"), "main", WEB, resources=enough)
    async with running_workloads(own_cluster, platform_images) as workloads:
        await workloads.apply(spec, 1)

        async def problem() -> str | None:
            return state_of(workloads, spec).problem

        reason = await eventually(problem, within=WITHIN, every=0.5) or ""
        assert reason.startswith("the model cannot be fetched: ")
        assert "127.0.0.1:1" in reason
        assert "Traceback" not in reason


@pytest.mark.parametrize(
    ("limit", "resources", "expected"),
    [(QUOTA, GIBIBYTE, "exceeded quota: limit"), (LONGEST, Resources(cpu="3"), "maximum cpu usage per Container is 2")],
    ids=["quota", "admission"],
)
async def test_pods_that_the_cluster_refuses_are_named(
    cluster_with_initializer: Cluster,
    cluster_namespace: str,
    limit: dict[str, Any],
    resources: Resources,
    expected: str,
) -> None:
    cluster_with_initializer.apply({**limit, "metadata": {"name": "limit", "namespace": cluster_namespace}})
    spec = busybox_version(
        cluster_with_initializer, ServingName(cluster_namespace, "iris"), "main", WEB, resources=resources
    )
    async with running_workloads(cluster_with_initializer) as workloads:
        await workloads.apply(spec, 1)

        async def problem() -> str | None:
            return state_of(workloads, spec).problem

        reason = await eventually(problem, within=WITHIN, every=0.5) or ""
        assert reason.startswith("the cluster refuses its pods: ")
        assert expected in reason


async def test_a_deployment_without_progress_is_named(
    cluster_with_initializer: Cluster, cluster_namespace: str
) -> None:
    spec = busybox_version(cluster_with_initializer, ServingName(cluster_namespace, "iris"), "main", "sleep 1000")
    async with running_workloads(cluster_with_initializer) as workloads:
        await workloads.apply(spec, 1)
        patch = json.dumps({"spec": {"progressDeadlineSeconds": 5}})
        cluster_with_initializer.kubectl(
            "patch", "deployment", name_of(spec.key), "-n", cluster_namespace, "--type=merge", f"--patch={patch}"
        )

        async def problem() -> str | None:
            return state_of(workloads, spec).problem

        reason = await eventually(problem, within=WITHIN, every=0.5) or ""
        assert reason.startswith("the Deployment makes no progress: ")


async def test_pods_that_are_killed_or_evicted_are_replaced(
    cluster_with_initializer: Cluster, cluster_namespace: str
) -> None:
    spec = busybox_version(cluster_with_initializer, ServingName(cluster_namespace, "iris"), "main", WEB)
    async with running_workloads(cluster_with_initializer) as workloads:
        await workloads.apply(spec, 2)

        async def pods_are_ready(*without: str) -> list[str] | None:
            state = state_of(workloads, spec)
            names = [pod["metadata"]["name"] for pod in workloads.all_pods() if in_namespace(pod, cluster_namespace)]
            is_complete = (state.desired, state.ready, state.problem) == (2, 2, None)
            return names if is_complete and len(names) == 2 and not set(without) & set(names) else None

        killed, evicted = await eventually(pods_are_ready, within=WITHIN, every=0.2) or []
        cluster_with_initializer.kubectl(
            "delete", "pod", killed, "-n", cluster_namespace, "--grace-period=0", "--force"
        )
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction"}
        content = json.dumps({**eviction, "metadata": {"name": evicted, "namespace": cluster_namespace}})
        path = f"/api/v1/namespaces/{cluster_namespace}/pods/{evicted}/eviction"
        cluster_with_initializer.kubectl("create", "--raw", path, "--filename=-", stdin=content)
        await eventually(lambda: pods_are_ready(killed, evicted), within=WITHIN, every=0.2)


def in_namespace(pod: dict[str, Any], namespace: str) -> bool:
    return bool(pod["metadata"]["namespace"] == namespace)
