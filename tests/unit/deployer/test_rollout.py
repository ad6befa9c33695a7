"""A rollout in memory: the order of its steps, and the final state."""

from dataclasses import replace
from typing import Any

import pytest

from kleverproto.documents import Tombstone
from kleverproto.models import ModelDocument
from kleverproto.servings import ServingPhase, TrafficShifted
from support.bucket_contents import stored_in
from support.deployer import INGRESS, IRIS, World, digest, spec
from support.golden_events import NOW
from support.waiting import eventually

FIRST = [
    "record Pending ",
    "record Pending ",
    "record Progressing models are prepared; starting model servers",
    "publish ServingProgressed",
    "start v1",
    "route v1=100",
    "record Progressing models are prepared; starting model servers",
    "publish TrafficShifted",
    "record Progressing 100 % of the traffic: all at once",
    "publish ServingProgressed",
    "record Ready announcing",
    "publish ServingReady",
    "record Ready ready",
]


@pytest.fixture
async def world() -> World:
    world = World()
    await world.push("v1", "v2")
    return world


async def deployed(world: World) -> World:
    await world.request(spec("v1"))
    await world.rollout().converge(IRIS)
    world.steps.taken.clear()
    return world


async def test_a_first_version_is_started_then_routed_then_announced(world: World) -> None:
    await world.request(spec("v1"))
    await world.rollout().converge(IRIS)
    assert world.steps.taken == FIRST
    status = (await world.document()).status
    assert (status.phase, status.observed_generation, status.problem) == (ServingPhase.READY, 1, None)
    assert status.url == f"{INGRESS}/seldon/default/iris/v2/models/iris/infer"
    [variant] = status.variants
    assert (variant.digest, variant.ready_replicas, variant.weight) == (digest("v1"), 1, 100)
    assert world.publisher.data()[-1].variants == status.variants


async def test_a_new_version_is_ready_and_routed_before_the_old_one_stops(world: World) -> None:
    await deployed(world)
    await world.request(spec("v2"))
    await world.rollout().converge(IRIS)
    order = [step for step in world.steps.taken if step.startswith(("start", "route", "stop"))]
    assert order == ["start v2", "route v2=100", "stop v1"]
    assert world.running() == ["v2"]


async def test_the_old_version_serves_while_the_new_one_is_not_ready(world: World) -> None:
    await deployed(world)
    world.unready["v2"] = None
    await world.request(spec("v2"))
    async with world.deployer():

        async def both_run() -> bool:
            return world.running() == ["v1", "v2"]

        assert await eventually(both_run)
        assert world.weights() == {"v1": 100}
        new = next(state for state in world.workloads.states() if state.key.variant == "v2")
        world.workloads.become(replace(new, ready=1))
        await world.settled(ServingPhase.READY)
    assert world.weights() == {"v2": 100}


async def test_the_time_to_ready_is_measured_once_for_each_rollout_by_its_result(world: World) -> None:
    def measured(result: str) -> float | None:
        labels = {"strategy": "rolling", "result": result}
        return world.metrics.get_sample_value("klever_deployer_rollout_duration_seconds_count", labels)

    await deployed(world)
    assert (measured("ready"), measured("failed")) == (1, None)
    await world.rollout().converge(IRIS)  # nothing to roll out
    world.unready["v2"] = "INVALID_PROTOBUF: cannot parse model.onnx"
    await world.request(spec("v2"))
    await world.rollout().converge(IRIS)
    await world.rollout().converge(IRIS)
    assert (measured("ready"), measured("failed")) == (1, 1)


async def test_a_version_that_does_not_start_leaves_the_old_one_and_gives_the_reason(world: World) -> None:
    await deployed(world)
    world.unready["v2"] = "INVALID_PROTOBUF: cannot parse model.onnx"
    await world.request(spec("v2"))
    await world.rollout().converge(IRIS)
    status = (await world.document()).status
    assert (status.phase, status.observed_generation) == (ServingPhase.FAILED, 1)
    assert status.problem is not None
    assert status.problem.code == "model_server_failed"
    assert "variant v2 does not start: INVALID_PROTOBUF" in status.problem.message
    assert (world.running(), world.weights()) == (["v1"], {"v1": 100})
    assert [variant.name for variant in status.variants] == ["v1"]
    assert world.publisher.data()[-1].problem == status.problem


async def test_a_version_that_is_never_ready_fails_after_its_timeout(world: World) -> None:
    await deployed(world)
    world.unready["v2"] = None
    await world.request(spec("v2"))
    await world.rollout(ready_timeout=0.05).converge(IRIS)
    problem = (await world.document()).status.problem
    assert problem is not None
    assert problem.message == "a model server of default/iris was not ready after 0.05 s"
    assert world.running() == ["v1"]


@pytest.mark.parametrize(
    ("version", "code", "words"),
    [
        ("v9", "model_not_found", "push it with `ormb push`"),
        ("v2", "pull_failed", "cannot be pulled from"),
        (
            "v3",
            "unsupported_format",
            "is a MLlib, which no runtime serves: set `custom.command` to use your own server",
        ),
    ],
)
async def test_an_unavailable_model_fails_and_the_old_version_still_serves(
    world: World, version: str, code: str, words: str
) -> None:
    await deployed(world)
    await world.push("v3")
    world.store.unreachable.add(digest("v2"))
    await world.set_format("v3", "MLlib")
    await world.request(spec(version))
    await world.rollout().converge(IRIS)
    status = (await world.document()).status
    assert status.phase is ServingPhase.FAILED
    assert status.problem is not None
    assert (status.problem.code, words in status.problem.message) == (code, True)
    assert (world.running(), world.weights()) == (["v1"], {"v1": 100})


async def test_a_new_weight_moves_traffic_and_touches_no_process(world: World) -> None:
    await world.request(spec("v1", "v2", weights=(80, 20)))
    await world.rollout().converge(IRIS)
    world.steps.taken.clear()
    await world.request(spec("v1", "v2", weights=(30, 70)))
    await world.rollout().converge(IRIS)
    moved = [step for step in world.steps.taken if step.startswith(("start", "route", "stop"))]
    assert moved == ["route v1=30 v2=70"]
    shifted = [data for data in world.publisher.data() if isinstance(data, TrafficShifted)]
    assert [data.weights for data in shifted] == [{"v1": 80, "v2": 20}, {"v1": 30, "v2": 70}]


async def test_scaling_keeps_the_replicas_that_remain(world: World) -> None:
    await deployed(world)
    await world.request(spec("v1", replicas=3))
    await world.rollout().converge(IRIS)
    assert [step for step in world.steps.taken if step.startswith(("start", "scale", "stop"))] == ["scale v1 3"]
    await world.request(spec("v1"))
    await world.rollout().converge(IRIS)
    assert world.running() == ["v1"]


@pytest.mark.parametrize(
    "change", [{"weights": (70, 30)}, {"weights": (80, 20), "replicas": 3}], ids=["weights", "scale"]
)
async def test_a_serving_whose_version_is_gone_from_the_catalogue_can_be_changed(
    world: World, change: dict[str, Any]
) -> None:
    await world.request(spec("v1", "v2", weights=(80, 20)))
    await world.rollout().converge(IRIS)
    for each in await stored_in(world.catalogue):
        await world.catalogue.bury(each.key, Tombstone[ModelDocument](deleted_at=NOW), each.revision)
    served = (await world.document()).spec
    wanted = spec("v1", "v2", **change)
    digests = {variant.name: variant.digest for variant in served.variants}
    variants = tuple(v.model_copy(update={"digest": digests[v.name]}) for v in wanted.variants)
    await world.request(wanted.model_copy(update={"variants": variants}))
    await world.rollout().converge(IRIS)
    document = await world.document()
    assert (document.status.phase, document.status.problem) == (ServingPhase.READY, None)
    assert world.weights() == dict(zip(("v1", "v2"), change["weights"], strict=True))


async def test_the_same_bytes_under_another_tag_are_served_by_another_process(world: World) -> None:
    await deployed(world)
    await world.push("v1-again")
    await world.request(spec("v1-again"))
    await world.rollout().converge(IRIS)
    assert [step for step in world.steps.taken if step.startswith(("start", "stop"))] == ["start v1-again", "stop v1"]


async def test_a_deleted_serving_leaves_no_route_and_no_process(world: World) -> None:
    await deployed(world)
    await world.request_deletion()
    await world.rollout().converge(IRIS)
    assert world.steps.taken == [
        "record Deleting ",
        "unroute",
        "stop v1",
        "bury unannounced",
        "publish ServingDeleted",
        "bury announced",
    ]
    assert (world.running(), world.data_plane.routes) == ([], {})


async def test_an_up_to_date_serving_is_left_alone(world: World) -> None:
    await deployed(world)
    await world.rollout().converge(IRIS)
    assert world.steps.taken == []


async def test_a_server_of_a_ready_serving_that_no_longer_starts_is_a_problem_until_it_does(world: World) -> None:
    await deployed(world)
    [healthy] = world.workloads.states()
    world.workloads.become(replace(healthy, ready=0, problem="out of memory"))
    await world.rollout().converge(IRIS)
    status = (await world.document()).status
    assert (status.phase, status.variants[0].ready_replicas) == (ServingPhase.PROGRESSING, 0)
    assert status.problem is not None
    assert "out of memory" in status.problem.message
    world.workloads.become(healthy)
    await world.rollout().converge(IRIS)
    status = (await world.document()).status
    assert (status.phase, status.problem) == (ServingPhase.READY, None)
