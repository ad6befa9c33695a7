"""Random actions of users, and random faults of NATS, the cluster, the deployer and the controller itself."""

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from klever_gateway.domain.preconditions import request_id
from kleverproto.servings import ServingPhase, ServingRequested
from support.resource_bench import SERVING, Bench
from support.waiting import eventually, others

STEPS = 25
SPECS: list[dict[str, Any]] = [
    {"variants": [{"name": "v1", "model": "library/iris:v1", "replicas": replicas}]} for replicas in (1, 2, 3)
]
WRONG: dict[str, Any] = {"variants": []}


@dataclass
class Scene:
    """A bench, and the controller that runs now."""

    bench: Bench
    draw: random.Random
    controller: AsyncExitStack = field(default_factory=AsyncExitStack)
    requests: set[str] = field(default_factory=set)
    """Ids of the requests that may be made: one for each generation that was applied."""

    async def stop_controller(self) -> None:
        await self.controller.aclose()

    async def restart_controller(self) -> None:
        await self.stop_controller()
        self.controller = AsyncExitStack()
        await self.controller.enter_async_context(self.bench.controller())

    async def apply(self) -> None:
        present = self.bench.store.stored.get(SERVING)
        if present is None or not present.is_deleting:
            applied = self.bench.store.apply(SERVING, self.draw.choice([*SPECS, WRONG]))
            self.requests.add(request_id(applied.request_key))

    async def delete(self) -> None:
        if SERVING in self.bench.store.stored:
            self.bench.store.remove(SERVING)

    async def break_nats(self) -> None:
        self.bench.platform.is_away = not self.bench.platform.is_away

    async def lose_answers(self) -> None:
        self.bench.platform.loses_answers = not self.bench.platform.loses_answers

    async def break_cluster(self) -> None:
        self.bench.store.is_away = not self.bench.store.is_away

    async def stop_deployer(self) -> None:
        self.bench.platform.deployer.is_away = not self.bench.platform.deployer.is_away
        if not self.bench.platform.deployer.is_away:
            await self.bench.platform.deployer.handle()

    async def run_deployer(self) -> None:
        """Let the deployer take the next step."""
        document = await self.bench.platform.serving()
        if document is None:
            return
        if document.status.phase is ServingPhase.DELETING:
            await self.bench.platform.complete_deletion()
        else:
            await self.bench.platform.write_serving(phase=ServingPhase.READY)

    async def wait(self) -> None:
        await others(self.draw.choice([1, 5, 20, 100]))

    async def heal(self) -> None:
        """End all faults."""
        platform = self.bench.platform
        platform.is_away = platform.loses_answers = platform.deployer.is_away = self.bench.store.is_away = False
        await platform.deployer.handle()
        await self.restart_controller()

    async def is_settled(self) -> bool:
        """Return whether the serving has the spec of the resource, while the deployer works."""
        await self.run_deployer()
        document, resource = await self.bench.platform.serving(), self.bench.store.stored.get(SERVING)
        if resource is None:
            return document is None
        if resource.spec == WRONG:
            return resource.status.get("phase") == "Failed" and not resource.is_accepted
        if document is None or document.status.phase is not ServingPhase.READY:
            return False
        is_ready = resource.status.get("phase") == "Ready" and resource.is_accepted
        return is_ready and document.spec.variants[0].replicas == resource.spec["variants"][0]["replicas"]


@pytest.mark.parametrize("seed", range(20))
async def test_serving_is_in_the_end_what_its_resource_says_and_no_request_is_made_twice(seed: int) -> None:
    bench = Bench()
    async with bench.projecting(), AsyncExitStack() as stack:
        scene = Scene(bench, random.Random(seed))
        stack.push_async_callback(scene.stop_controller)
        await scene.restart_controller()
        actions = (
            *(scene.apply, scene.apply, scene.delete, scene.restart_controller, scene.wait, scene.wait, scene.wait),
            *(scene.break_nats, scene.lose_answers, scene.break_cluster, scene.stop_deployer, scene.run_deployer),
        )
        for _ in range(STEPS):
            await scene.draw.choice(actions)()
        await scene.heal()
        await eventually(scene.is_settled)
        made = [each.id for each in bench.platform.deployer.requests if isinstance(each.data, ServingRequested)]
        assert set(made) <= scene.requests
