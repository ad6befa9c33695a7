"""InferenceServices with KServe's own controller: replicas, routes, repair, and limits."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from klever_deployer.adapters.kubernetes.kinds import name_of
from klever_deployer.adapters.kubernetes.kserve import KSERVE
from klever_deployer.domain.versions import VersionSpec
from kleverkube.kserve.rendering import render_for_kserve
from kleverkube.manifest import Manifest
from kleverkubeclient.failures import ApiUnavailableError
from kleverkubeclient.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    SERVICES,
    Resource,
)
from kleverproto.variants import Autoscaling, Resources
from kleverroutes.versions import VersionKey
from support.deployer import version_spec
from support.kserve import MODE, KServe
from support.served_versions import GOLDEN
from support.waiting import eventually
from support.workload_benches import OnCluster, on_cluster

pytestmark = pytest.mark.api_server

INGRESSES = Resource("Ingress", "apis/networking.k8s.io/v1", "ingresses")
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment"}
SCALED = Autoscaling(min_replicas=2, max_replicas=8)


@pytest.fixture
async def bench(kserve: KServe, tmp_path: Path) -> AsyncIterator[OnCluster]:
    async with on_cluster(tmp_path, tmp_path, lambda: kserve.kubeconfig, KSERVE) as bench:
        yield bench


def spec_with(**changes: Any) -> VersionSpec:
    """A version; changes of `autoscaling` and `replicas` leave its revision as it is."""
    spec = version_spec("v1")
    variant = spec.variant.model_copy(update={"resources": Resources(cpu="100m", memory="64Mi"), **changes})
    return replace(spec, variant=variant)


async def read(bench: OnCluster, resource: Resource, name: Callable[[VersionKey], str], spec: VersionSpec) -> Manifest:
    stored = await bench.api.read(resource, "default", name(spec.key))
    assert stored is not None
    return stored


def deployment(bench: OnCluster, spec: VersionSpec) -> Awaitable[Manifest]:
    return read(bench, DEPLOYMENTS, KSERVE.deployment_name, spec)


async def pods(bench: OnCluster) -> set[str]:
    return {each["metadata"]["uid"] for each in bench.workloads.all_pods()}


async def test_kserve_creates_no_autoscaler_and_no_route(bench: OnCluster) -> None:
    spec = spec_with()
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)

    async def is_ready() -> bool:
        service = await read(bench, INFERENCE_SERVICES, KSERVE.name, spec)
        conditions = service.get("status", {}).get("conditions", ())
        return any(each["type"] == "IngressReady" and each["status"] == "True" for each in conditions)

    await eventually(is_ready, within=30)
    for resource in (AUTOSCALERS, INGRESSES):
        assert (await bench.api.list(resource, "", "default")).items == []


async def test_pods_stay_when_the_number_of_replicas_changes(bench: OnCluster) -> None:
    await bench.workloads.apply(spec_with(), 1)
    await bench.until(spec_with(), ready=1)
    [first] = await pods(bench)
    more = spec_with(replicas=3)
    await bench.workloads.apply(more, 3)
    await bench.until(more, ready=3)
    assert first in await pods(bench)


async def test_one_autoscaler_scales_the_deployment_of_kserve(bench: OnCluster) -> None:
    spec = spec_with(autoscaling=SCALED)
    await bench.workloads.apply(spec, 2)
    await bench.until(spec, ready=1)  # KServe starts with one replica
    [autoscaler] = (await bench.api.list(AUTOSCALERS, "", "default")).items
    target = autoscaler["spec"]["scaleTargetRef"]["name"]
    assert target == KSERVE.deployment_name(spec.key)
    scaled = {**DEPLOYMENT, "metadata": {"name": target, "namespace": "default"}, "spec": {"replicas": 4}}
    await bench.api.apply(scaled, manager="kube-controller-manager")
    for _ in range(2):
        await bench.workloads.apply(spec, 2)
    await bench.until(spec, ready=4)
    assert bench.workloads.number(spec.key) == 4


async def test_autoscaling_begins_with_the_present_replicas_and_ends_with_a_fixed_number(bench: OnCluster) -> None:
    fixed, scaled = spec_with(replicas=3), spec_with(autoscaling=SCALED)
    await bench.workloads.apply(fixed, 3)
    await bench.until(fixed, ready=3)
    await bench.workloads.apply(scaled, 3)

    async def has_handed_over() -> bool:
        stored = await deployment(bench, scaled)
        return bool(stored["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "external")

    await eventually(has_handed_over, within=30)
    assert (await deployment(bench, scaled))["spec"]["replicas"] == 3
    assert await bench.api.read(AUTOSCALERS, "default", name_of(scaled.key)) is not None
    await bench.workloads.apply(fixed, 1)
    assert await bench.api.read(AUTOSCALERS, "default", name_of(scaled.key)) is None

    async def number() -> bool:
        return bool((await deployment(bench, fixed))["spec"]["replicas"] == 1)

    await eventually(number, within=30)
    await bench.until(fixed, ready=1)


async def test_what_others_change_is_repaired(bench: OnCluster) -> None:
    spec = spec_with()
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)
    service = await read(bench, SERVICES, name_of, spec)
    await bench.api.delete(SERVICES, "default", service["metadata"]["name"])
    await bench.api.delete(DEPLOYMENTS, "default", KSERVE.deployment_name(spec.key))

    async def is_repaired() -> bool:
        await bench.workloads.apply(spec, 1)  # which changes nothing before a watch has reported the deletion
        return await bench.api.read(SERVICES, "default", name_of(spec.key)) is not None

    await eventually(is_repaired, within=30)
    await bench.until(spec, ready=1)


async def test_a_version_is_applied_once_kserve_responds(kserve: KServe, bench: OnCluster) -> None:
    spec = spec_with()
    kserve.server.stop()
    try:
        with pytest.raises(ApiUnavailableError, match="failed calling webhook"):
            await bench.workloads.apply(spec, 1)
    finally:
        kserve.server.start(within=90)
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)


@pytest.mark.parametrize("name", GOLDEN)
async def test_kserve_accepts_every_rendered_version(bench: OnCluster, name: str) -> None:
    version, options = GOLDEN[name]
    manifests = render_for_kserve(version, replace(options, kserve_mode=MODE))
    service = next(each for each in manifests if each["kind"] == INFERENCE_SERVICES.kind)
    stored = await bench.api.apply(service)
    again = await bench.api.apply(service)
    await bench.api.delete(INFERENCE_SERVICES, "default", service["metadata"]["name"])
    assert again["metadata"]["generation"] == stored["metadata"]["generation"]
