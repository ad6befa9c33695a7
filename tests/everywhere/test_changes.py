"""Servings change without a failed request, on a laptop and on a cluster."""

from pathlib import Path

import psutil
import pytest

from support.constant_load import Load, constant_load
from support.places.place import Place
from support.small_models import adder
from support.waiting import eventually

pytestmark = pytest.mark.timeout(300)

MORE = 50
CLIENTS = 4


async def more_answers(load: Load, value: float) -> None:
    """Waits for further answers with this value."""
    before = load.answers[value]

    async def are_more() -> bool:
        return load.answers[value] > before + MORE

    await eventually(are_more, within=60)


@pytest.mark.every_backend
async def test_new_version_replaces_the_old_one_under_load(place: Place, adders: str) -> None:
    name = place.new_name()
    await place.klever("deploy", f"{adders}:v1", f"--name {name} --replicas 2")
    old_replicas = {process.pid for process in place.substrate.processes(name)}
    async with constant_load(await place.url(name), clients=CLIENTS) as load:
        await more_answers(load, 2)
        await place.klever("deploy", f"{adders}:v2", f"--name {name}")
        old = load.answers[2]

        async def only_new_replicas_run() -> bool:
            return not old_replicas & {process.pid for process in place.substrate.processes(name)}

        await eventually(only_new_replicas_run, within=60, every=0.2)
        await more_answers(load, 3)
        assert load.answers[2] <= old + CLIENTS
    assert load.failures == {}
    await place.undeploy(name)


async def test_push_to_a_followed_tag_is_deployed_under_load(place: Place, tmp_path: Path) -> None:
    name = place.new_name()
    ref = f"library/{name}:stable"
    await place.push(adder(tmp_path / "old", 1), ref)
    await place.klever("deploy", ref, f"--name {name} --on-push deploy")
    async with constant_load(await place.url(name)) as load:
        digest = await place.push(adder(tmp_path / "new", 2), ref)
        await more_answers(load, 3)
    assert load.failures == {}

    async def is_recorded() -> bool:
        return (await place.serving(name)).status.variants[0].digest == digest

    await eventually(is_recorded, within=60, every=0.2)
    await place.undeploy(name)


async def test_killed_replica_is_replaced_and_no_request_fails(place: Place, adders: str) -> None:
    name = place.new_name()
    await place.klever("deploy", f"{adders}:v1", f"--name {name} --replicas 2")
    killed, other = place.substrate.processes(name)
    async with constant_load(await place.url(name)) as load:
        await more_answers(load, 2)
        killed.kill()

        async def is_replaced() -> bool:
            running = {process.pid for process in place.substrate.processes(name)}
            variant = (await place.serving(name)).status.variants[0]
            return len(running - {killed.pid, other.pid}) == 1 and variant.ready_replicas == 2

        await eventually(is_replaced, within=120, every=0.5)
        await more_answers(load, 2)
    assert load.failures == {}
    assert psutil.pid_exists(other.pid)
    await place.undeploy(name)


async def test_preview_is_promoted_and_rolled_back(place: Place, adders: str) -> None:
    name = place.new_name()
    await place.klever("deploy", f"{adders}:v1", f"--name {name}")
    await place.klever("deploy", f"{adders}:v2", f"--name {name} --strategy blueGreen")
    async with place.requests(name) as requests:
        assert set(await requests.values(10)) == {2}
        assert set(await requests.values(10, x_klever_preview="true")) == {3}
        await place.klever("rollout", name, "promote")
        assert set(await requests.values(10)) == {3}
        await place.klever("rollback", name, "--to 1")
        assert set(await requests.values(10)) == {2}
    await place.undeploy(name)


async def test_recreated_version_starts_after_the_old_one_has_stopped(place: Place, adders: str) -> None:
    name = place.new_name()
    await place.klever("deploy", f"{adders}:v1", f"--name {name}")
    await place.klever("deploy", f"{adders}:v2", f"--name {name} --strategy recreate")
    async with place.requests(name) as requests:
        assert set(await requests.values(10)) == {3}
        assert len(place.substrate.processes(name)) == 1
    await place.undeploy(name)
