"""Servings are deployed, used and removed by the same commands on a laptop and on a cluster."""

from pathlib import Path

import pytest

from support.places.place import Place
from support.small_models import adder
from support.waiting import eventually


@pytest.fixture
async def adders(place: Place, tmp_path: Path) -> str:
    """A model in the versions v1, v2 and v3, which add 1, 2 and 3; returns `project/model`."""
    model = f"library/{place.new_name()}"
    for number in (1, 2, 3):
        await place.push(adder(tmp_path / f"adder-{number}", number), f"{model}:v{number}")
    return model


async def test_pushed_model_is_deployed_used_and_removed(place: Place, adders: str) -> None:
    name = place.new_name()
    await place.klever("deploy", f"{adders}:v1", f"--name {name}")
    serving = await place.serving(name)
    assert (serving.status.phase.value, serving.status.variants[0].ready_replicas) == ("Ready", 1)
    async with place.requests(name) as requests:
        assert (await requests.ask()).value == 2
        metadata = requests.url.removesuffix("/infer")
        async with requests.session.get(metadata) as response:
            assert (await response.json())["name"] == name
        assert "Ready" in await place.klever("describe", name)
        (place.shell.directory / "x.csv").write_text("1\n")
        assert "2" in await place.klever("predict", name, "--input x=@x.csv")

        async def has_log() -> bool:
            return "| " in await place.klever("logs", name)

        await eventually(has_log, within=30, every=0.5)
        assert await place.substrate.leftovers(name)
        await place.klever("undeploy", name)

        async def is_gone() -> bool:
            return not await place.substrate.leftovers(name)

        await eventually(is_gone, within=60, every=0.5)
        assert (await requests.ask()).status == 404
