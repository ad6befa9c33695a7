"""The Service and the NetworkPolicy of a version, which every backend of a cluster applies itself."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from klever_deployer.adapters.kubernetes.kinds import name_of
from klever_deployer.domain.versions import VersionSpec, VersionState
from kleverkubeclient.resources import DEPLOYMENTS, NETWORK_POLICIES, SELDON_DEPLOYMENTS, SERVICES
from kleverproto.variants import Network
from support.deployer import version_spec
from support.waiting import eventually
from support.workload_benches import Kubeconfig, OnCluster, OnSeldon, on_cluster, on_seldon

pytestmark = pytest.mark.api_server

BACKENDS: dict[str, Callable[[Path, Path, Kubeconfig], AbstractAsyncContextManager[OnCluster]]] = {
    "plain": on_cluster,
    "seldon": on_seldon,
}
POLICY = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}


@pytest.fixture(params=BACKENDS)
async def bench(request: pytest.FixtureRequest, kubeconfig: Path, tmp_path: Path) -> AsyncIterator[OnCluster]:
    async with BACKENDS[request.param](tmp_path, tmp_path, lambda: kubeconfig) as bench:
        yield bench


async def policy(bench: OnCluster, spec: VersionSpec) -> dict[str, Any] | None:
    return await bench.api.read(NETWORK_POLICIES, "default", name_of(spec.key))


async def test_who_may_connect_to_a_version_follows_the_settings(bench: OnCluster) -> None:
    spec, open_options = version_spec("v1", network=Network.EGRESS), bench.options
    bench.options = replace(open_options, client_namespaces={"kubernetes.io/metadata.name": "istio-system"})
    await bench.hand_over()
    await bench.workloads.apply(spec, 1)
    present = await policy(bench, spec)
    assert present is not None
    selected = present["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"]
    assert selected == {"kubernetes.io/metadata.name": "istio-system"}
    bench.options = open_options
    await bench.hand_over()
    await bench.workloads.apply(spec, 1)
    assert await policy(bench, spec) is None


async def test_what_a_deployer_has_left_of_a_version_is_known_and_removed(bench: OnCluster) -> None:
    spec = version_spec("v1", network=Network.NONE)
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)
    await delete_servers(bench, spec)
    await bench.hand_over()

    async def has_leftovers() -> bool:
        return bench.workloads.states() == [VersionState(spec.key)]

    await eventually(has_leftovers, within=30)
    await bench.workloads.remove(spec.key)
    for resource in (DEPLOYMENTS, SERVICES, NETWORK_POLICIES):
        assert await bench.api.read(resource, "default", name_of(spec.key)) is None
    assert bench.workloads.states() == []


async def delete_servers(bench: OnCluster, spec: VersionSpec) -> None:
    """Delete what runs the pods of a version, as a deployer does first of all."""
    if isinstance(bench, OnSeldon):
        await bench.api.delete(SELDON_DEPLOYMENTS, "default", spec.key.serving.name, owned_first=True)
    else:
        await bench.api.delete(DEPLOYMENTS, "default", name_of(spec.key), owned_first=True)


async def test_a_policy_that_somebody_has_changed_is_restored(bench: OnCluster) -> None:
    spec = version_spec("v1", network=Network.NONE)
    await bench.workloads.apply(spec, 1)
    before = await policy(bench, spec)
    assert before is not None
    metadata = {"name": name_of(spec.key), "namespace": "default"}
    drift = {**POLICY, "metadata": metadata, "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "egress": []}}
    await bench.api.apply(drift, manager="somebody")

    async def is_restored() -> bool:
        await bench.workloads.apply(spec, 1)
        present = await policy(bench, spec)
        return present is not None and present["spec"] == before["spec"]

    await eventually(is_restored, within=30)


async def test_a_policy_and_a_service_that_are_as_applied_are_not_applied_again(bench: OnCluster) -> None:
    spec = version_spec("v1", network=Network.NONE)
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)

    async def applies_neither() -> bool:
        bench.api.applied.clear()
        await bench.workloads.apply(spec, 1)
        return not {"Service", "NetworkPolicy"} & set(bench.api.applied)

    await eventually(applies_neither, within=30)
