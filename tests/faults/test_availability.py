"""A model server that is killed or hangs: its serving reports it, and the recovery."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kleverproto.servings import ServingPhase, ServingReady, ServingRequested, ServingUnavailable
from support.deployer import spec
from support.deployer_service import Surroundings, model_servers, surroundings
from support.onnx_models import look_up, model_directory
from support.waiting import eventually


@pytest.fixture
async def world(nats_url: str, tmp_path: Path) -> AsyncIterator[Surroundings]:
    async with surroundings(nats_url, tmp_path) as world:
        await world.push(model_directory(look_up(), tmp_path / "look-up"), "library/iris:v1")
        yield world


@pytest.mark.timeout(120)
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
async def test_a_serving_is_not_ready_while_its_only_model_server_is_down(
    world: Surroundings, sent: signal.Signals
) -> None:
    request = await world.ask(ServingRequested(namespace="default", name="iris", spec=spec("v1")))
    await world.answer(request)
    [server] = model_servers()
    server.send_signal(sent)

    async def outages() -> list[type]:
        data = [event.data for event in await world.caused_by(request)]
        return [type(each) for each in data if isinstance(each, ServingUnavailable | ServingReady)]

    async def is_away() -> bool:
        return await outages() == [ServingReady, ServingUnavailable]

    async def is_back() -> bool:
        ready = (await world.document()).status.phase is ServingPhase.READY
        return ready and await outages() == [ServingReady, ServingUnavailable, ServingReady]

    if sent is signal.SIGSTOP:
        assert await eventually(is_away)
        status = (await world.document()).status
        assert (status.phase, status.variants[0].ready_replicas) == (ServingPhase.PROGRESSING, 0)
        server.send_signal(signal.SIGCONT)
    assert await eventually(is_back, within=30)
    assert (await world.document()).status.problem is None
