"""Random actions of users on resources, and random faults of NATS, the cluster, the owner and the controller itself."""

import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar

from klever_gateway.adapters.memory_resources import InMemoryResources
from klever_gateway.domain.preconditions import request_id
from klever_gateway.domain.resources.resource import Resource, ResourceName
from kleverproto.custom_resources import ResourceStatus
from kleverproto.envelope import Event
from support.resource_bench import Bench
from support.waiting import others


@dataclass
class SlowResources(InMemoryResources):
    """Takes time for each write, and reports each resource at the moment when the cluster removes it."""

    on_release: Callable[[Resource], Awaitable[None]] | None = None
    delay: Callable[[], Awaitable[None]] = others

    async def hold(self, resource: Resource) -> Resource:
        """See `ResourceStore`."""
        await self.delay()
        return await super().hold(resource)

    async def write_status(self, resource: Resource, status: ResourceStatus) -> Resource:
        """See `ResourceStore`."""
        await self.delay()
        return await super().write_status(resource, status)

    async def release(self, resource: Resource) -> None:
        """See `ResourceStore`."""
        await self.delay()
        await super().release(resource)
        if self.on_release is not None and resource.name not in self.stored:
            await self.on_release(resource)


@dataclass
class Scene(ABC):
    """A bench, and the controller that runs now; what follows is drawn at random."""

    names: ClassVar[tuple[ResourceName, ...]]
    specs: ClassVar[tuple[dict[str, Any], ...]]
    """Specs that users apply; the last one is refused."""
    has_fixed_specs: ClassVar[bool] = False
    """True if the cluster refuses changes of a spec."""

    draw: random.Random
    store: SlowResources = field(default_factory=SlowResources)
    controller: AsyncExitStack = field(default_factory=AsyncExitStack)
    requests: set[str] = field(default_factory=set)
    """Ids of the requests that may be made: one for each generation that was applied, and one for each deletion."""
    early: list[str] = field(default_factory=list)
    """Resources that were released before their deletion was carried out."""

    def __post_init__(self) -> None:
        self.bench = Bench(store=self.store)
        self.store.on_release = self._check_release
        self.store.delay = lambda: others(self.draw.choice((0, 1, 5, 20)))

    @property
    def actions(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """The actions to draw from."""
        return (
            *(self.apply, self.apply, self.delete, self.restart_controller, self.wait, self.wait, self.wait),
            *(self.break_nats, self.lose_answers, self.break_cluster, self.stop_owner, self.run_owner),
        )

    async def play(self, steps: int) -> None:
        """Perform this number of random actions, then end all faults."""
        await self.restart_controller()
        for _ in range(steps):
            await self.draw.choice(self.actions)()
        platform = self.bench.platform
        platform.is_away = platform.loses_answers = self.store.is_away = False
        await self.set_owner_away(is_away=False)
        await self.restart_controller()

    async def stop_controller(self) -> None:
        """Kill the controller."""
        await self.controller.aclose()

    async def restart_controller(self) -> None:
        """Kill the controller, and start another one."""
        await self.stop_controller()
        self.controller = AsyncExitStack()
        await self.controller.enter_async_context(self.bench.controller())

    async def apply(self) -> None:
        """Apply a spec, unless the resource is being deleted or cannot be changed."""
        name = self.draw.choice(self.names)
        present = self.store.stored.get(name)
        if present is None or not (self.has_fixed_specs or present.is_deleting):
            applied = self.store.apply(name, self.draw.choice(self.specs))
            self.requests.add(request_id(applied.request_key))

    async def delete(self) -> None:
        """Delete a resource."""
        if (present := self.store.stored.get(self.draw.choice(self.names))) is not None:
            self.requests.add(request_id(present.deletion_key))
            self.store.remove(present.name)

    async def break_nats(self) -> None:
        """Stop or start NATS."""
        self.bench.platform.is_away = not self.bench.platform.is_away

    async def lose_answers(self) -> None:
        """Lose the responses of NATS from now on, or no longer."""
        self.bench.platform.loses_answers = not self.bench.platform.loses_answers

    async def break_cluster(self) -> None:
        """Stop or start the API server."""
        self.store.is_away = not self.store.is_away

    async def stop_owner(self) -> None:
        """Stop or start the owner of the documents."""
        await self.set_owner_away(is_away=not self.is_owner_away)

    async def wait(self) -> None:
        """Let the controller work for some time."""
        await others(self.draw.choice([1, 5, 20, 100]))

    @property
    @abstractmethod
    def is_owner_away(self) -> bool:
        """True while the owner of the documents is stopped."""

    @property
    @abstractmethod
    def handled(self) -> list[Event[Any]]:
        """The requests that the owner has handled."""

    @abstractmethod
    async def set_owner_away(self, *, is_away: bool) -> None:
        """Stop the owner of the documents, or start it, so that it handles what was requested."""

    @abstractmethod
    async def run_owner(self) -> None:
        """Let the owner take the next step with a document."""

    @abstractmethod
    async def is_settled(self) -> bool:
        """Return True if the documents match the resources, while the owner works."""

    @abstractmethod
    async def made(self) -> set[str]:
        """Ids of all requests of the controller."""

    @abstractmethod
    async def exists(self, requested: Resource) -> bool:
        """Return True if the document that a resource has requested exists."""

    async def _check_release(self, resource: Resource) -> None:
        """Another resource may have requested the same job since; then that one deletes the job."""
        deletion = request_id(resource.deletion_key)
        is_pending = deletion in await self.made() and deletion not in {each.id for each in self.handled}
        is_shared = resource.job != "" and resource.job in {each.job for each in self.store.stored.values()}
        if not is_shared and (is_pending or await self.exists(resource)):
            self.early.append(f"{resource.name} {resource.uid}")
