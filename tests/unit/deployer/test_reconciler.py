"""The events that wake the reconciler, the ones that it drops, and its cleanup."""

import asyncio
from dataclasses import replace

import pytest

from klever_deployer.adapters.local.replica_specs import LocalModel
from klever_deployer.service.servers import Servers
from kleverkit.errors import TransientError
from kleverproto.servings import ServingPhase
from kleverroutes.versions import ServingName
from support.deployer import IRIS, InMemoryModels, World, digest, key, spec
from support.waiting import eventually, others

ABALONE = ServingName("default", "abalone")


async def ready_world(*versions: str) -> World:
    world = World()
    await world.push("v1", "v2", "v3")
    for version in versions:
        await world.request(spec(version))
        await world.rollout().converge(IRIS)
    return world


async def test_an_intent_is_handled_at_once() -> None:
    world = await ready_world()
    async with world.deployer() as reconciler:
        await world.request(spec("v1"))
        reconciler.intend(IRIS)
        await world.settled(ServingPhase.READY)
        await world.request_deletion()
        reconciler.intend(IRIS)
        await world.tombstone()


async def test_a_newer_intent_ends_the_wait_for_a_version_that_does_not_become_ready() -> None:
    world = await ready_world("v1")
    world.unready["v2"] = None
    async with world.deployer() as reconciler:
        await world.request(spec("v2"))
        reconciler.intend(IRIS)

        async def v2_is_starting() -> bool:
            return world.running() == ["v1", "v2"]

        assert await eventually(v2_is_starting)
        await world.request(spec("v3"))
        reconciler.intend(IRIS)
        document = await world.settled(ServingPhase.READY)
    assert (document.status.observed_generation, world.weights()) == (3, {"v3": 100})
    assert world.running() == ["v3"]


async def test_a_waiting_serving_does_not_delay_another() -> None:
    world = await ready_world()
    world.unready["v1"] = None
    await world.request(spec("v1"))
    await world.request(spec("v2"), ABALONE)
    async with world.deployer():
        await world.settled(ServingPhase.READY, serving=ABALONE)
        assert (await world.document()).status.phase is ServingPhase.PROGRESSING


async def test_a_replica_that_changes_is_counted() -> None:
    world = World()
    await world.push("v1")
    await world.request(spec("v1", replicas=2))
    async with world.deployer():
        await world.settled(ServingPhase.READY)
        [both] = world.workloads.states()
        world.workloads.become(replace(both, ready=1))

        async def one_is_left() -> bool:
            [variant] = (await world.document()).status.variants
            return variant.ready_replicas == 1

        assert await eventually(one_is_left)


async def test_a_vanished_replica_is_restarted_at_the_next_observation() -> None:
    world = await ready_world("v1")
    async with world.deployer(resync_seconds=0.02):
        await world.workloads.remove(key("v1"))

        async def is_back() -> bool:
            return world.running() == ["v1"]

        assert await eventually(is_back)


async def test_unused_models_are_removed_once_every_serving_is_settled() -> None:
    world = await ready_world("v1", "v2")
    assert world.store.here == {digest("v1"), digest("v2")}
    async with world.deployer(resync_seconds=0.02):

        async def only_v2_is_here() -> bool:
            return world.store.here == {digest("v2")}

        assert await eventually(only_v2_is_here)


async def test_models_are_kept_while_a_rollout_may_need_them() -> None:
    world = await ready_world("v1", "v2")
    world.unready["v3"] = None
    await world.request(spec("v3"))
    async with world.deployer(resync_seconds=0.01):

        async def v3_is_starting() -> bool:
            return "start v3" in world.steps.taken

        assert await eventually(v3_is_starting)
        assert world.store.here == {digest("v1"), digest("v2"), digest("v3")}


async def test_nothing_starts_after_the_reconciler_and_its_workers_have_ended() -> None:
    world = await ready_world()
    started, cancelled = asyncio.Event(), asyncio.Event()

    class Pulls(InMemoryModels):
        async def find(self, digest: str) -> LocalModel | None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return await super().find(digest)

    world.store = Pulls()
    world.restart()
    await world.request(spec("v1"))
    async with world.deployer() as reconciler:
        await started.wait()
    assert cancelled.is_set()
    await world.request(spec("v2"), ABALONE)  # a message that is handled while the service stops
    started.clear()
    reconciler.intend(ABALONE)
    reconciler.intend(IRIS)
    await others()
    assert not started.is_set()
    assert world.workloads.started == []


class BreaksOnce(InMemoryModels):
    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self._failures = [failure]

    async def find(self, digest: str) -> LocalModel | None:
        if self._failures:
            raise self._failures.pop()
        return await super().find(digest)


@pytest.mark.parametrize("failure", [TransientError("the registry does not answer"), OSError("too many open files")])
async def test_a_transient_failure_is_retried(failure: Exception) -> None:
    world = await ready_world()
    world.store = BreaksOnce(failure)
    await world.request(spec("v1"))
    async with world.deployer():
        await world.settled(ServingPhase.READY)
    assert world.announced().count("ServingReady") == 1
    assert "ServingFailed" not in world.announced()


async def test_a_restarted_reconciler_waits_again_for_unseen_replicas() -> None:
    world = await ready_world("v1")
    reconciler, servers = None, None
    for _ in range(2):
        [running] = world.workloads.states()
        world.workloads.become(replace(running, ready=0))
        if reconciler is None:
            reconciler, servers = world.reconciler(world.restorer())
        assert servers is not None
        task = asyncio.create_task(reconciler.run())
        await others()
        assert not servers.has_adopted(IRIS)
        world.workloads.become(running)

        async def is_adopted(servers: Servers = servers) -> bool:
            return servers.has_adopted(IRIS)

        assert await eventually(is_adopted)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
