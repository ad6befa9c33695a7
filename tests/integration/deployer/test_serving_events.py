"""The deployer with real servers around it: a request comes as an event, and an endpoint answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import (
    ServingDeleted,
    ServingDeleteRequested,
    ServingFailed,
    ServingPhase,
    ServingProgressed,
    ServingReady,
    ServingRequested,
    TrafficShifted,
)
from support.deployer import spec
from support.deployer_service import Surroundings, model_servers, surroundings
from support.onnx_models import look_up, model_directory
from support.v2_client import tensor
from support.waiting import eventually

BODY = {"inputs": [tensor("index", "INT64", [], [1])]}
DELETION = ServingDeleteRequested(namespace="default", name="iris")


@pytest.fixture
async def world(nats_url: str, tmp_path: Path) -> AsyncIterator[Surroundings]:
    async with surroundings(nats_url, tmp_path) as world:
        await world.push(model_directory(look_up(), tmp_path / "look-up"), "library/iris:v1")
        yield world


def requested(wanted: ServingSpec) -> ServingRequested:
    return ServingRequested(namespace="default", name="iris", spec=wanted)


async def ready(world: Surroundings, wanted: ServingSpec) -> ServingReady:
    event = await world.answer(await world.ask(requested(wanted)))
    assert isinstance(event.data, ServingReady), event.data
    return event.data


async def test_a_request_becomes_an_endpoint_that_answers(world: Surroundings) -> None:
    request = await world.ask(requested(spec("v1")))
    outcome = (await world.answer(request)).data
    assert outcome.url == f"{world.settings.ingress_url}/seldon/default/iris/v2/models/iris/infer"
    code, answer = await world.infer(outcome.url, BODY)
    assert (code, answer["model_name"], answer["model_version"]) == (200, "iris", "v1")
    assert answer["outputs"][0]["data"] == [20.0]

    events = await world.caused_by(request)
    types = [type(event.data) for event in events]
    assert types == [ServingProgressed, TrafficShifted, ServingProgressed, ServingReady]
    assert {event.correlation_id for event in events} == {"one story"}
    status = (await world.document()).status
    assert (status.phase, status.url, status.variants) == (ServingPhase.READY, outcome.url, outcome.variants)


async def test_the_same_bytes_under_another_tag_answer_by_that_tag(world: Surroundings, tmp_path: Path) -> None:
    await ready(world, spec("v1"))
    await world.push(tmp_path / "look-up", "library/iris:v2")
    outcome = await ready(world, spec("v2"))
    _code, answer = await world.infer(outcome.url, BODY)
    assert answer["model_version"] == "v2"
    assert len(model_servers()) == 1


async def test_a_deleted_serving_answers_404_and_leaves_no_process(world: Surroundings) -> None:
    url = (await ready(world, spec("v1"))).url
    event = await world.answer(await world.ask(DELETION))
    assert event.data == ServingDeleted(namespace="default", name="iris")
    code, answer = await world.infer(url, BODY)
    assert (code, "no serving has this path" in answer["error"]) == (404, True)
    assert model_servers() == []
    assert await world.is_buried()


async def test_servings_undeployed_right_after_their_deployment_stay_undeployed(world: Surroundings) -> None:
    names = [f"iris-{number}" for number in range(20)]
    for name in names:  # independent consumers handle requests and deletions
        await world.ask(ServingRequested(namespace="default", name=name, spec=spec("v1")))
        await world.ask(ServingDeleteRequested(namespace="default", name=name))
    for name in names:
        assert await world.is_buried(name)
    assert model_servers() == []


async def test_a_missing_model_fails_and_the_old_version_still_serves(world: Surroundings) -> None:
    url = (await ready(world, spec("v1"))).url
    event = await world.answer(await world.ask(requested(spec("v9"))))
    assert isinstance(event.data, ServingFailed)
    assert event.data.problem.code == "model_not_found"
    assert event.data.problem.message == "library/iris:v9 is not in the catalogue: push it with `ormb push` first"
    assert (await world.document()).status.problem == event.data.problem
    code, answer = await world.infer(url, BODY)
    assert (code, answer["model_version"]) == (200, "v1")


async def test_a_model_that_cannot_be_loaded_fails_with_its_servers_message(
    world: Surroundings, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    (broken / "model").mkdir(parents=True)
    (broken / "model" / "model.onnx").write_bytes(b"no model at all")
    (broken / "ormbfile.yaml").write_text("format: ONNX\n")
    await world.push(broken, "library/iris:v2")
    event = await world.answer(await world.ask(requested(spec("v2"))))
    assert isinstance(event.data, ServingFailed)
    assert event.data.problem.code == "model_server_failed"
    assert "variant v2 does not start: cannot load the model: " in event.data.problem.message
    assert "model.onnx" in event.data.problem.message


async def test_a_format_that_cannot_be_served_fails_and_names_the_supported_ones(
    world: Surroundings, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "model").mkdir(parents=True)
    (other / "model" / "model.gguf").write_bytes(b"GGUF")
    (other / "ormbfile.yaml").write_text("format: GGUF\n")
    await world.push(other, "library/iris:v2")
    event = await world.answer(await world.ask(requested(spec("v2"))))
    assert isinstance(event.data, ServingFailed)
    assert event.data.problem.code == "unsupported_format"
    assert "library/iris:v2 is a GGUF" in event.data.problem.message


async def test_replicas_outlive_a_deployer_that_is_configured_to_leave_them(nats_url: str, tmp_path: Path) -> None:
    async with surroundings(nats_url, tmp_path, stop_on_exit=False) as world:
        await world.push(model_directory(look_up(), tmp_path / "look-up"), "library/iris:v1")
        url = (await ready(world, spec("v1"))).url
        servers = model_servers()
    assert (len(servers), model_servers()) == (1, servers)
    async with aiohttp.ClientSession() as client, client.post(url, json=BODY) as answer:
        assert answer.status == 200
    async with surroundings(nats_url, tmp_path, ingress_port=world.settings.ingress_port) as successor:

        async def is_adopted() -> bool:
            status = (await successor.document()).status
            return status.phase is ServingPhase.READY and status.variants[0].ready_replicas == 1

        assert await eventually(is_adopted)
        assert model_servers() == servers
        assert (await successor.infer(url, BODY))[0] == 200
    assert model_servers() == []
