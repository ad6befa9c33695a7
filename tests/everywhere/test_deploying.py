"""Servings are deployed, used and removed by the same commands on a laptop and on a cluster."""

import pytest

from support.places.place import Place
from support.waiting import eventually

pytestmark = pytest.mark.timeout(300)


@pytest.mark.every_backend
async def test_pushed_model_is_deployed_used_and_removed(place: Place, adders: str) -> None:
    name = place.new_name()
    await place.klever("deploy", f"{adders}:v1", f"--name {name}")
    serving = await place.serving(name)
    assert (serving.status.phase.value, serving.status.variants[0].ready_replicas) == ("Ready", 1)
    async with place.requests(name) as requests:
        assert (await requests.ask()).value == 2
        assert "Ready" in await place.klever("describe", name)
        (place.shell.directory / "x.csv").write_text("1\n")
        assert (await place.klever("predict", name, "--input x=@x.csv")).splitlines()[1] == "2"

        async def has_log() -> bool:
            return "| " in await place.klever("logs", name)

        await eventually(has_log, within=30, every=0.5)
        await place.klever("undeploy", name, "--wait")

        async def is_gone() -> bool:
            return not await place.substrate.leftovers(name)

        await eventually(is_gone, within=60, every=0.5)
        assert (await requests.ask()).status == 404


async def test_only_paths_for_clients_reach_a_model_server(place: Place, adders: str) -> None:
    name = place.new_name()
    await place.klever("deploy", f"{adders}:v1", f"--name {name}")
    async with place.requests(name) as requests:
        base = requests.url.removesuffix(f"/v2/models/{name}/infer")

        async def status(method: str, path: str) -> int:
            async with requests.session.request(method, base + path) as response:
                return response.status

        assert await status("GET", f"/v2/models/{name}") == 200
        assert await status("GET", f"/v2/models/{name}/ready") == 200
        assert await status("POST", f"/v2/repository/models/{name}/unload") == 404
        assert await status("GET", "/metrics") == 404
    await place.undeploy(name)


async def test_number_of_replicas_follows_the_command(place: Place, adders: str) -> None:
    name = place.new_name()
    await place.klever("deploy", f"{adders}:v1", f"--name {name}")
    assert "2 of 2 ready" in await place.klever("scale", name, "--replicas 2")
    assert len(place.substrate.processes(name)) == 2
    await place.klever("scale", name, "--replicas 1")

    async def one_is_left() -> bool:
        return len(place.substrate.processes(name)) == 1

    await eventually(one_is_left, within=60, every=0.2)
    await place.undeploy(name)
