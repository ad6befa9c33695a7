"""SeldonDeployments on a real API server with the real definition; a stand-in plays Seldon Core's operator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio.client import AppsV1Api, CoreV1Api

from klever_deployer.adapters.kubernetes.kinds import name_of
from klever_deployer.adapters.kubernetes.seldon.workloads import SeldonWorkloads
from klever_deployer.adapters.kubernetes.states import version_key
from klever_deployer.domain.versions import VersionSpec
from klever_deployer.errors import ServingError
from kleverkit.errors import TransientError
from kleverkube.manifest import Manifest
from kleverkube.options import ClusterOptions
from kleverkube.seldon.naming import predictor_name
from kleverkube.seldon.rendering import render
from kleverkubeclient.failures import RefusedByClusterError
from kleverkubeclient.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    NETWORK_POLICIES,
    SELDON_DEPLOYMENTS,
    SERVICES,
    resource_of,
)
from kleverproto.envelope import utc_now
from kleverproto.variants import Autoscaling, Resources
from support.deployer import version_spec
from support.seldon_components import components, derived_names
from support.served_versions import GOLDEN
from support.waiting import eventually
from support.workload_benches import BROKEN, OnSeldon, on_seldon

pytestmark = pytest.mark.api_server

MERGE = "application/merge-patch+json"
SCALED = Autoscaling(min_replicas=2, max_replicas=8)


@pytest.fixture
async def bench(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[OnSeldon]:
    async with on_seldon(tmp_path, tmp_path, lambda: kubeconfig) as bench:
        yield bench


def spec_with(version: str = "v1", **changes: Any) -> VersionSpec:
    """A version; changes of `autoscaling` and `replicas` leave its revision as it is."""
    spec = version_spec(version)
    variant = spec.variant.model_copy(update={"resources": Resources(cpu="100m"), **changes})
    return replace(spec, variant=variant)


def names(spec: VersionSpec) -> tuple[str, str, str]:
    """Names that the operator derives from a version: a Deployment, and two Services."""
    serving = spec.key.serving.name
    return derived_names(serving, predictor_name(serving, spec.key.variant, spec.key.revision))


async def deployment(bench: OnSeldon, spec: VersionSpec) -> Manifest | None:
    return await bench.api.read(DEPLOYMENTS, "default", names(spec)[0])


async def replicas(bench: OnSeldon, spec: VersionSpec) -> int:
    present = await deployment(bench, spec)
    assert present is not None
    number: int = present["spec"]["replicas"]
    return number


async def stored(bench: OnSeldon) -> Manifest:
    present = await bench.api.read(SELDON_DEPLOYMENTS, "default", "iris")
    assert present is not None
    return present


def pods_of(bench: OnSeldon, spec: VersionSpec) -> set[str]:
    return {pod["metadata"]["uid"] for pod in bench.workloads.all_pods() if version_key(pod) == spec.key}


async def scale(bench: OnSeldon, spec: VersionSpec, number: int) -> None:
    """Set the number of replicas as an autoscaler does."""
    apps = AppsV1Api(bench.client)
    body = {"spec": {"replicas": number}}
    await apps.patch_namespaced_deployment_scale(names(spec)[0], "default", body, _content_type=MERGE)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", GOLDEN)
async def test_objects_of_every_kind_of_serving_are_valid(bench: OnSeldon, name: str) -> None:
    """The API server validates them, and the objects that the operator creates for them, strictly by the definition."""
    bench.operator.pause()
    version, options = GOLDEN[name]
    *own, rendered = render([version], options)
    for manifest in [*own, rendered]:
        await bench.api.apply(manifest)
    for made in components(rendered).deployments:
        without_owner = {field: value for field, value in made["metadata"].items() if field != "ownerReferences"}
        await bench.api.apply({**made, "metadata": {**without_owner, "name": "dry"}}, manager="test")
        await bench.api.delete(DEPLOYMENTS, "default", "dry")
    await bench.api.delete(SELDON_DEPLOYMENTS, "default", rendered["metadata"]["name"])
    for manifest in own:
        await bench.api.delete(resource_of(manifest), "default", manifest["metadata"]["name"])
    bench.operator.resume()


async def test_an_unknown_field_is_refused_and_not_dropped(bench: OnSeldon) -> None:
    rendered = render([GOLDEN["kleverserve"][0]], ClusterOptions())[-1]
    rendered["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]["imagePulPolicy"] = "Never"
    with pytest.raises(RefusedByClusterError, match="imagePulPolicy"):
        await bench.api.apply(rendered)


async def test_versions_of_a_serving_are_predictors_of_one_object(bench: OnSeldon) -> None:
    specs = [spec_with("v1"), spec_with("v2"), spec_with("v3")]
    await asyncio.gather(*(bench.workloads.apply(spec, 1) for spec in specs))
    for spec in specs:
        await bench.until(spec, ready=1)
    predictors = (await stored(bench))["spec"]["predictors"]
    assert sorted(each["labels"]["klever.dev/variant"] for each in predictors) == ["v1", "v2", "v3"]


async def test_two_deployers_lose_no_version_of_each_other(bench: OnSeldon) -> None:
    """A former leader may still write when the next one does."""
    former = SeldonWorkloads(bench.api, bench.options, lambda _digest: "example.com")
    await former.load()
    specs = [spec_with(f"v{number}") for number in range(6)]
    bench.operator.pause()
    await asyncio.gather(
        *((former if number % 2 else bench.workloads).apply(each, 1) for number, each in enumerate(specs))
    )
    created = await stored(bench)
    predictors = created["spec"]["predictors"]
    assert sorted(each["labels"]["klever.dev/variant"] for each in predictors) == [each.key.variant for each in specs]
    assert len(created["metadata"]["annotations"]) == len(specs)
    bench.operator.resume()
    for spec in specs:
        await bench.until(spec, ready=1)


async def test_an_object_that_was_deleted_is_applied_again(bench: OnSeldon) -> None:
    """Also if the watch has not reported the deletion yet: then the first try does not succeed."""
    spec = version_spec("v1")
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)
    before = (await stored(bench))["metadata"]["uid"]
    await bench.api.delete(SELDON_DEPLOYMENTS, "default", "iris")

    async def is_new() -> bool:
        with suppress(TransientError):
            await bench.workloads.apply(spec, 1)
        return bool((await stored(bench))["metadata"]["uid"] != before)

    await eventually(is_new, within=30)
    await bench.until(spec, ready=1)


async def test_adding_changing_and_removing_a_version_restarts_no_other(bench: OnSeldon) -> None:
    first, kept, last = spec_with("v1"), spec_with("v2"), spec_with("v3")
    for spec in (first, kept):
        await bench.workloads.apply(spec, 1)
        await bench.until(spec, ready=1)
    pods = pods_of(bench, kept)
    await bench.workloads.apply(last, 1)
    await bench.until(last, ready=1)
    await bench.workloads.apply(last, 2)
    await bench.until(last, ready=2)
    await bench.workloads.remove(first.key)
    await bench.workloads.apply(kept, 2)
    await bench.until(kept, ready=2)
    assert pods <= pods_of(bench, kept)
    assert await revisions(bench, kept) == "1"


async def revisions(bench: OnSeldon, spec: VersionSpec) -> str:
    """Return the number of replacements of a Deployment's pods, plus one."""
    present = await deployment(bench, spec)
    assert present is not None
    revision: str = present["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    return revision


async def test_a_version_is_removed_while_another_is_not_ready(bench: OnSeldon) -> None:
    """The operator would wait for the other one."""
    broken, removed = version_spec(BROKEN), spec_with("v1", autoscaling=SCALED)
    for spec in (removed, broken):
        await bench.workloads.apply(spec, 2)
    await bench.until(removed, ready=2)
    await bench.workloads.apply(removed, 2)
    await bench.until_problem(broken)
    await bench.workloads.remove(removed.key)
    assert await deployment(bench, removed) is None
    assert await bench.api.read(AUTOSCALERS, "default", names(removed)[0]) is None
    assert [state.key for state in bench.workloads.states()] == [broken.key]


async def test_a_stale_status_makes_no_version_ready(bench: OnSeldon) -> None:
    good, new = spec_with("v1"), spec_with("v2")
    await bench.workloads.apply(good, 1)
    await bench.until(good, ready=1)

    async def is_available() -> bool:
        return bool((await stored(bench)).get("status", {}).get("state") == "Available")

    await eventually(is_available, within=30)
    bench.operator.pause()
    await bench.workloads.apply(new, 1)
    state = bench.state(new)
    assert state is not None
    assert (await is_available(), state.desired, state.ready, state.problem) == (True, 1, 0, None)
    bench.operator.resume()
    await bench.until(new, ready=1)


async def test_an_operator_that_makes_no_deployment_is_a_problem(bench: OnSeldon) -> None:
    now = utc_now()
    workloads = SeldonWorkloads(bench.api, ClusterOptions(), lambda _digest: "example.com", clock=lambda: now)
    bench.operator.pause()
    await bench.workloads.apply(version_spec("v1"), 1)
    await workloads.load()
    assert [state.problem for state in workloads.states()] == [None]
    now += timedelta(seconds=31)
    [state] = workloads.states()
    assert "Seldon Core has not created its Deployment: check that its operator runs" in (state.problem or "")
    await workloads.load()
    assert [state.problem for state in workloads.states()] == [None]
    bench.operator.resume()


async def test_a_refusal_by_the_operator_is_the_problem_of_the_version(bench: OnSeldon) -> None:
    """Here it cannot create the Services, and does not get to the Deployment."""
    spec, now = version_spec("v1"), utc_now()
    core, quota = CoreV1Api(bench.client), {"metadata": {"name": "none"}, "spec": {"hard": {"services": "0"}}}
    bench.operator.pause()
    await bench.workloads.apply(spec, 1)
    await core.create_namespaced_resource_quota("default", quota)  # type: ignore[arg-type]
    try:

        async def is_counted() -> bool:
            return bool((await core.read_namespaced_resource_quota("none", "default")).status.hard)

        await eventually(is_counted, within=30)
        bench.operator.resume()

        async def has_failed() -> bool:
            return bool((await stored(bench)).get("status", {}).get("state") == "Failed")

        await eventually(has_failed, within=30)
        workloads = SeldonWorkloads(bench.api, ClusterOptions(), lambda _digest: "example.com", clock=lambda: now)
        await workloads.load()
        assert workloads.states()[0].problem is None
        now += timedelta(seconds=31)
        assert "exceeded quota: none" in (workloads.states()[0].problem or "")
    finally:
        await core.delete_namespaced_resource_quota("none", "default")


async def test_an_autoscaler_determines_the_replicas_of_a_version(bench: OnSeldon) -> None:
    spec = spec_with(autoscaling=SCALED)
    await bench.workloads.apply(spec, 3)
    await bench.until(spec, ready=3)
    await bench.workloads.apply(spec, 3)

    async def is_scaled() -> bool:
        return await bench.api.read(AUTOSCALERS, "default", names(spec)[0]) is not None

    await eventually(is_scaled, within=30)
    assert await replicas(bench, spec) == 3
    await scale(bench, spec, 5)
    await bench.until(spec, ready=5)
    await bench.workloads.apply(spec, 3)
    assert bench.workloads.number(spec.key) == 5
    fixed = spec_with(replicas=2)
    await bench.workloads.apply(fixed, 2)
    await bench.until(fixed, ready=2)

    async def is_fixed() -> bool:
        return not await is_scaled()

    await eventually(is_fixed, within=30)


async def test_changes_of_others_are_undone_by_the_next_apply(bench: OnSeldon) -> None:
    spec = version_spec("v1")
    await bench.workloads.apply(spec, 1)
    before = (await stored(bench))["spec"]
    [predictor] = before["predictors"]
    others = [{**predictor, "name": "main", "labels": {}, "traffic": 0}, {**predictor, "replicas": 7}]
    identity = {field: (await stored(bench))[field] for field in ("apiVersion", "kind")}
    drift = {**identity, "metadata": {"name": "iris", "namespace": "default"}, "spec": {"predictors": others}}
    await bench.api.apply(drift, manager="somebody")

    async def are_undone() -> bool:
        await bench.workloads.apply(spec, 1)  # which changes nothing before a watch has reported the change
        return bool((await stored(bench))["spec"] == before)

    await eventually(are_undone, within=30)
    await bench.until(spec, ready=1)


async def test_an_object_of_somebody_else_is_neither_changed_nor_deleted(bench: OnSeldon) -> None:
    spec = version_spec("v1")
    bench.operator.pause()
    foreign = render([GOLDEN["triton"][0]], ClusterOptions(platform="another"))[-1]
    await bench.api.apply(foreign, manager="somebody")
    try:
        before = await stored(bench)
        with pytest.raises(ServingError, match=r"that Klever did not create exists in namespace default: rename"):
            await bench.workloads.apply(spec, 1)
        await bench.workloads.remove(spec.key)
        assert await stored(bench) == before
    finally:
        await bench.api.delete(SELDON_DEPLOYMENTS, "default", "iris")
        bench.operator.resume()


async def test_nothing_of_a_removed_version_is_left(bench: OnSeldon) -> None:
    kept, removed = spec_with("v1"), spec_with("v2")
    for spec in (kept, removed):
        await bench.workloads.apply(spec, 1)
        await bench.until(spec, ready=1)
    await bench.workloads.remove(removed.key)
    assert len((await stored(bench))["metadata"]["annotations"]) == 1

    async def has_cleaned_up() -> bool:
        services = [await bench.api.read(SERVICES, "default", name) for name in names(removed)[1:]]
        return services == [None, None]

    await eventually(has_cleaned_up, within=30)
    for resource in (SERVICES, NETWORK_POLICIES):
        assert await bench.api.read(resource, "default", name_of(removed.key)) is None
        assert await bench.api.read(resource, "default", name_of(kept.key)) is not None
    await bench.workloads.remove(kept.key)
    assert await bench.api.read(SELDON_DEPLOYMENTS, "default", "iris") is None
    assert (await CoreV1Api(bench.client).list_namespaced_pod("default")).items == []
