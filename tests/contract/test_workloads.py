"""One suite for every runtime of model servers: local processes, a cluster, and memory."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from klever_deployer.domain.versions import ModelFacts, VersionSpec
from support.adapters import adapters
from support.deployer import IRIS, variant, version_spec
from support.onnx_models import look_up, model_directory
from support.workload_benches import BROKEN, CLUSTERS, WORKLOADS, WorkloadsBench


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    for tag in ("v1", "v2"):
        model_directory(look_up(), directory / tag)
    (directory / BROKEN / "model").mkdir(parents=True)
    (directory / BROKEN / "model" / "model.onnx").write_bytes(b"no model at all")
    return directory


@pytest.fixture(params=adapters(WORKLOADS))
async def bench(request: pytest.FixtureRequest, models: Path, tmp_path: Path) -> AsyncIterator[WorkloadsBench]:
    if (needed := CLUSTERS.get(request.param)) is not None:
        request.getfixturevalue(needed)
    async with WORKLOADS[request.param](tmp_path, models, lambda: request.getfixturevalue("kubeconfig")) as bench:
        yield bench


def converted() -> VersionSpec:
    """A version that serves the conversion of its model."""
    spec = version_spec("v1")
    facts = ModelFacts("ONNX", unverified="the check crashed")
    return replace(spec, model=replace(spec.model, facts=facts, made="library/iris:v1-onnx@sha256:0"))


async def test_a_version_becomes_ready_and_its_serving_is_announced(bench: WorkloadsBench) -> None:
    spec = version_spec("v1")
    for _ in range(2):
        await bench.workloads.apply(spec, 2)
    await bench.until(spec, ready=2)
    assert [state.key for state in bench.workloads.states()] == [spec.key]
    assert await bench.workloads.changed() == {IRIS}


async def test_the_state_of_a_version_describes_its_replicas(bench: WorkloadsBench) -> None:
    spec = converted()
    await bench.workloads.apply(spec, 1)
    state = await bench.until(spec, ready=1)
    assert (state.runtime, state.made, state.unverified) == ("kleverserve", spec.model.made, "the check crashed")
    assert (bool(state.sandbox), state.problem) == (True, None)


async def test_a_removed_version_may_be_removed_and_applied_again(bench: WorkloadsBench) -> None:
    spec = version_spec("v1")
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)
    for _ in range(2):
        await bench.workloads.remove(spec.key)
        assert bench.workloads.states() == []
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)


async def test_a_version_has_the_last_applied_number_of_replicas(bench: WorkloadsBench) -> None:
    spec = version_spec("v1")
    for replicas in (1, 2, 0, 1):
        await bench.workloads.apply(spec, replicas)
        await bench.until(spec, ready=replicas)
        assert [state.key for state in bench.workloads.states()] == [spec.key]


async def test_versions_run_side_by_side(bench: WorkloadsBench) -> None:
    old, new = version_spec("v1"), version_spec("v2")
    await bench.workloads.apply(old, 1)
    await bench.workloads.apply(new, 1)
    await bench.until(old, ready=1)
    await bench.until(new, ready=1)
    await bench.workloads.remove(old.key)
    assert bench.state(old) is None
    await bench.until(new, ready=1)


async def test_a_model_that_cannot_be_loaded_is_a_problem_with_the_reason(bench: WorkloadsBench) -> None:
    spec = version_spec(BROKEN)
    await bench.workloads.apply(spec, 1)
    state = await bench.until_problem(spec)
    assert (state.desired, state.ready) == (1, 0)
    assert "model" in (state.problem or "")


async def test_a_replica_that_exits_is_restarted_and_counted(bench: WorkloadsBench) -> None:
    spec = version_spec("v1")
    await bench.workloads.apply(spec, 1)
    await bench.until(spec, ready=1)
    await bench.workloads.changed()
    await bench.kill(spec)
    assert await bench.workloads.changed() == {IRIS}
    await bench.until(spec, ready=1, restarts=1)


async def test_the_next_deployer_adopts_running_versions(bench: WorkloadsBench) -> None:
    spec = version_spec("v1")
    await bench.workloads.apply(spec, 2)
    await bench.until(spec, ready=2)
    await bench.hand_over()
    assert [state.key for state in bench.workloads.states()] == [spec.key]
    await bench.workloads.apply(spec, 2)
    await bench.until(spec, ready=2)


async def test_the_next_deployer_removes_versions_that_it_does_not_apply(bench: WorkloadsBench) -> None:
    kept, removed = version_spec("v1"), version_spec("v2")
    for spec in (kept, removed):
        await bench.workloads.apply(spec, 1)
        await bench.until(spec, ready=1)
    await bench.hand_over()
    await bench.workloads.remove(removed.key)
    assert [state.key for state in bench.workloads.states()] == [kept.key]


async def test_an_unsupported_spec_is_refused(bench: WorkloadsBench) -> None:
    settings, word = bench.unsupported
    assert word in (bench.workloads.refusal(IRIS, variant("v1", **settings)) or "")
    assert bench.workloads.refusal(IRIS, variant("v1")) is None
