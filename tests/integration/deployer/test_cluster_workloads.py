"""Deployments on a real API server: owners of the number of replicas, repair, and refusals."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio.client import AppsV1Api, CoreV1Api

from klever_deployer.adapters.kubernetes.kinds import name_of
from klever_deployer.domain.versions import VersionSpec, VersionState
from klever_deployer.errors import ServingError
from kleverkubeclient.failures import RefusedByClusterError
from kleverkubeclient.resources import AUTOSCALERS, DEPLOYMENTS, NETWORK_POLICIES, SERVICES
from kleverproto.variants import Autoscaling, Resources
from kleverroutes.versions import ServingName, VersionKey
from support.deployer import version_spec
from support.waiting import eventually
from support.workload_benches import OnCluster, on_cluster

pytestmark = pytest.mark.api_server

APPLY = "application/merge-patch+json"
SCALED = Autoscaling(min_replicas=2, max_replicas=8)


@pytest.fixture
async def bench(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[OnCluster]:
    async with on_cluster(tmp_path, tmp_path, lambda: kubeconfig) as bench:
        yield bench


def spec_with(**changes: Any) -> VersionSpec:
    """A version; changes of `autoscaling` and `replicas` leave its revision as it is."""
    spec = version_spec("v1")
    variant = spec.variant.model_copy(update={"resources": Resources(cpu="100m"), **changes})
    return replace(spec, variant=variant)


async def stored(bench: OnCluster, spec: VersionSpec) -> dict[str, Any]:
    deployment = await bench.api.read(DEPLOYMENTS, "default", name_of(spec.key))
    assert deployment is not None
    return deployment


async def scale(bench: OnCluster, spec: VersionSpec, replicas: int) -> None:
    """Set the number of replicas as an autoscaler does."""
    body = {"spec": {"replicas": replicas}}
    apps = AppsV1Api(bench.client)
    await apps.patch_namespaced_deployment_scale(
        name_of(spec.key),
        "default",
        body,
        field_manager="kube-controller-manager",
        _content_type=APPLY,  # type: ignore[call-arg]
    )


async def test_an_autoscaler_determines_the_replicas_of_a_version(bench: OnCluster) -> None:
    spec = spec_with(autoscaling=SCALED)
    await bench.workloads.apply(spec, 3)
    await bench.until(spec, ready=3)
    await scale(bench, spec, 5)
    for _ in range(2):
        await bench.workloads.apply(spec, 3)
    await bench.until(spec, ready=5)
    assert bench.workloads.number(spec.key) == 5


async def test_a_version_keeps_its_replicas_when_autoscaling_begins_and_ends(bench: OnCluster) -> None:
    fixed, scaled = spec_with(replicas=3), spec_with(autoscaling=SCALED)
    await bench.workloads.apply(fixed, 3)
    await bench.workloads.apply(scaled, 3)
    assert (await stored(bench, fixed))["spec"]["replicas"] == 3
    await scale(bench, scaled, 4)
    await bench.workloads.apply(scaled, 4)
    assert (await stored(bench, fixed))["spec"]["replicas"] == 4
    assert await bench.api.read(AUTOSCALERS, "default", name_of(fixed.key)) is not None
    await bench.workloads.apply(fixed, 3)
    assert (await stored(bench, fixed))["spec"]["replicas"] == 3
    assert await bench.api.read(AUTOSCALERS, "default", name_of(fixed.key)) is None


async def test_a_version_keeps_its_replicas_when_the_deployer_scales_instead_of_an_autoscaler(
    bench: OnCluster,
) -> None:
    spec = spec_with(autoscaling=SCALED)
    await bench.workloads.apply(spec, 3)
    await scale(bench, spec, 5)
    bench.options = replace(bench.options, autoscalers=False)
    await bench.hand_over()
    await bench.workloads.apply(spec, 5)
    assert await bench.api.read(AUTOSCALERS, "default", name_of(spec.key)) is None
    for number in (5, 2):
        await bench.workloads.apply(spec, number)
        assert (await stored(bench, spec))["spec"]["replicas"] == number
    bench.options = replace(bench.options, autoscalers=True)
    await bench.hand_over()
    await bench.workloads.apply(spec, 2)
    assert (await stored(bench, spec))["spec"]["replicas"] == 2
    assert await bench.api.read(AUTOSCALERS, "default", name_of(spec.key)) is not None


async def test_changes_of_others_are_undone_once_the_watch_has_reported_them(bench: OnCluster) -> None:
    spec = version_spec("v1")
    await bench.workloads.apply(spec, 1)
    apps = AppsV1Api(bench.client)
    container = {"name": "server", "image": "evil.example.com/x:1"}
    drift = {"spec": {"replicas": 0, "template": {"spec": {"containers": [container]}}}}
    await apps.patch_namespaced_deployment(name_of(spec.key), "default", drift)

    async def is_repaired() -> bool:
        await bench.workloads.apply(spec, 1)
        return bool((await stored(bench, spec))["spec"]["replicas"] == 1)

    await eventually(is_repaired, within=30)
    repaired = (await stored(bench, spec))["spec"]
    assert repaired["template"]["spec"]["containers"][0]["image"].startswith("ghcr.io/kleveross/kleverserve:")


async def test_a_deployment_that_was_deleted_is_applied_again(bench: OnCluster) -> None:
    spec = version_spec("v1")
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)
    await bench.api.delete(DEPLOYMENTS, "default", name_of(spec.key))

    async def is_noticed() -> bool:
        return bench.state(spec) == VersionState(spec.key)

    await eventually(is_noticed, within=30)
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)


async def test_nothing_of_a_removed_version_is_left(bench: OnCluster) -> None:
    spec = spec_with(autoscaling=SCALED)
    await bench.workloads.apply(spec, 2)
    await bench.workloads.remove(spec.key)
    for resource in (DEPLOYMENTS, SERVICES, AUTOSCALERS, NETWORK_POLICIES):
        assert await bench.api.read(resource, "default", name_of(spec.key)) is None
    assert (await CoreV1Api(bench.client).list_namespaced_pod("default")).items == []


async def test_a_namespace_that_does_not_exist_is_refused_with_a_remedy(bench: OnCluster) -> None:
    spec = version_spec("v1")
    elsewhere = replace(spec, key=VersionKey(ServingName("nowhere", "iris"), "v1", spec.key.revision))
    with pytest.raises(ServingError, match=r'"nowhere" not found\. Create it with `kubectl'):
        await bench.workloads.apply(elsewhere, 1)


async def test_an_unknown_field_is_refused_and_not_dropped(bench: OnCluster) -> None:
    spec = version_spec("v1")
    await bench.workloads.apply(spec, 1)
    deployment = await stored(bench, spec)
    metadata = {"name": deployment["metadata"]["name"], "namespace": "default"}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replcas": 2}}
    with pytest.raises(RefusedByClusterError, match="replcas"):
        await bench.api.apply(manifest, manager="test")


async def test_a_quota_that_is_exceeded_is_the_problem_of_the_version(bench: OnCluster) -> None:
    core, name = CoreV1Api(bench.client), "small"
    quota: Any = {"metadata": {"name": name}, "spec": {"hard": {"limits.memory": "64Mi"}}}
    await core.create_namespaced_resource_quota("default", quota)
    try:
        spec = spec_with(resources=Resources(memory="512Mi"))

        async def is_counted() -> bool:
            return bool((await core.read_namespaced_resource_quota(name, "default")).status.hard)

        await eventually(is_counted, within=30)
        await bench.workloads.apply(spec, 1)
        problem = (await bench.until_problem(spec)).problem or ""
        assert problem.startswith("the cluster refuses its pods: ")
        assert "exceeded quota: small" in problem
    finally:
        await core.delete_namespaced_resource_quota(name, "default")


async def test_a_version_whose_removal_was_interrupted_can_be_applied_again(bench: OnCluster) -> None:
    spec = version_spec("v1")
    await bench.workloads.apply(spec, 1)
    apps, name = AppsV1Api(bench.client), name_of(spec.key)
    await apps.patch_namespaced_deployment(name, "default", {"metadata": {"finalizers": ["klever.test/hold"]}})
    await bench.api.delete(DEPLOYMENTS, "default", name, owned_first=True)
    applied = asyncio.create_task(bench.workloads.apply(spec, 1))

    async def is_terminating() -> bool:
        present = bench.workloads.deployments.objects.get(("default", name), {}).get("metadata", {})
        return "deletionTimestamp" in present

    await eventually(is_terminating, within=30)
    await apps.patch_namespaced_deployment(name, "default", {"metadata": {"finalizers": None}})
    await applied
    await bench.until(spec, ready=1)


async def test_nothing_is_applied_while_nothing_differs(bench: OnCluster) -> None:
    spec = version_spec("v1")
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)

    async def applies_nothing() -> bool:
        bench.api.applied.clear()
        await bench.workloads.apply(spec, 1)
        return not bench.api.applied

    await eventually(applies_nothing, within=30)
    await bench.workloads.apply(spec, 2)
    assert bench.api.applied == ["Deployment"]
