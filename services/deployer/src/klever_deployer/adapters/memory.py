"""Workloads, a data plane and copies in this process only: for tests, and to see what the deployer would do."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from klever_deployer.domain.analysis import Counts
from klever_deployer.domain.replicas import Endpoint, ReplicaKey, ReplicaSpec, ReplicaState, ServingName
from klever_deployer.domain.routing import BackendKey, ServingRoute
from klever_deployer.ports import ServingCopy
from kleverproto.variants import Variant


class InMemoryWorkloads:
    """See `ports.Workloads`; a replica is ready at once.

    Args:
        unready: versions whose replicas are not: to why they do not start, or None while they are still starting.
    """

    def __init__(self, unready: Mapping[str, str | None] | None = None) -> None:
        self._unready = unready if unready is not None else {}
        self._states: dict[ReplicaKey, ReplicaState] = {}
        self.started: list[ReplicaSpec] = []
        """What was started, in order."""
        self._changed: set[ServingName] = set()
        self._change = asyncio.Event()
        self._next_port = 1

    def refusal(self, _namespace: str, variant: Variant) -> str | None:
        """See `Workloads`: nothing is refused but what claims a GPU."""
        return "there are no GPUs" if variant.resources.gpu else None

    async def start(self, spec: ReplicaSpec) -> None:
        """See `Workloads`."""
        if spec.key in self._states:
            return
        self.started.append(spec)
        model = spec.prepared.model
        state = ReplicaState(spec.key, runtime=spec.prepared.runtime, made=model.made, unverified=model.unverified)
        if spec.version in self._unready:
            self.become(replace(state, failure=self._unready[spec.version]))
            return
        endpoint, self._next_port = Endpoint("127.0.0.1", self._next_port), self._next_port + 1
        self.become(replace(state, endpoint=endpoint, ready=True))

    async def stop(self, key: ReplicaKey) -> None:
        """See `Workloads`."""
        self._states.pop(key, None)

    def states(self) -> list[ReplicaState]:
        """See `Workloads`."""
        return list(self._states.values())

    async def changed(self) -> set[ServingName]:
        """See `Workloads`."""
        await self._change.wait()
        self._change.clear()
        changed, self._changed = self._changed, set()
        return changed

    def become(self, state: ReplicaState) -> None:
        """Let a replica be in a state."""
        self._states[state.key] = state
        self._changed.add(state.key.serving)
        self._change.set()


class InMemoryDataPlane:
    """See `ports.DataPlane`; remembers the routes."""

    def __init__(self) -> None:
        self.routes: dict[ServingName, ServingRoute] = {}
        self.up = True
        self.counted: dict[BackendKey, Counts] = {}
        """What it claims to have counted."""

    def is_up(self) -> bool:
        """See `DataPlane`."""
        return self.up

    async def apply(self, route: ServingRoute) -> None:
        """See `DataPlane`."""
        self.routes[route.serving] = route

    def served(self) -> set[ServingName]:
        """See `DataPlane`."""
        return set(self.routes)

    async def counts(self, backends: set[BackendKey]) -> dict[BackendKey, Counts]:
        """See `DataPlane`."""
        return {key: counts for key, counts in self.counted.items() if key in backends}

    async def remove(self, serving: ServingName) -> None:
        """See `DataPlane`."""
        self.routes.pop(serving, None)


class InMemoryCopies:
    """See `ports.CopyStore`."""

    def __init__(self) -> None:
        self.copies: dict[ServingName, ServingCopy] = {}

    async def read(self) -> dict[ServingName, ServingCopy]:
        """See `CopyStore`."""
        return dict(self.copies)

    async def write(self, serving: ServingName, copy: ServingCopy) -> None:
        """See `CopyStore`."""
        self.copies[serving] = copy

    async def remove(self, serving: ServingName) -> None:
        """See `CopyStore`."""
        self.copies.pop(serving, None)
