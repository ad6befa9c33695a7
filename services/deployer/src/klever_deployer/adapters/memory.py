"""A backend and copies in memory, for tests and dry runs."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from klever_deployer.domain.versions import ModelFacts, VersionSpec, VersionState
from klever_deployer.ports import LogPart, OnStep, Preparation, RequestCounts, Scaling, ServingCopy
from kleverkit.notices import Notices
from kleverproto.variants import Variant
from kleverroutes.versions import Deployment, ServingName, VersionKey

from .memory_data_plane import InMemoryDataPlane


class InMemoryWorkloads:
    """See `ports.Workloads`; replicas are ready at once.

    Args:
        unready: tags whose replicas are not ready, each with the reason, or None while they are starting.
    """

    def __init__(self, unready: Mapping[str, str | None] | None = None) -> None:
        self._unready = unready if unready is not None else {}
        self._states: dict[VersionKey, VersionState] = {}
        self._changed: Notices[ServingName] = Notices()
        self.started: list[VersionSpec] = []
        """The versions that were started, in order."""

    def refusal(self, _serving: ServingName, variant: Variant) -> str | None:
        """See `Workloads`: only variants with a GPU are rejected."""
        return "there are no GPUs" if variant.resources.gpu else None

    async def apply(self, spec: VersionSpec, replicas: int) -> None:
        """See `Workloads`."""
        state = self._states.get(spec.key)
        if state is None:
            self.started.append(spec)
            facts = spec.model.facts
            state = VersionState(
                spec.key, runtime=spec.runtime, made=spec.model.made, unverified=facts.unverified, sandbox="none"
            )
        if state.desired == replicas and spec.key in self._states:
            return
        started = 0 if spec.tag in self._unready else max(0, replicas - state.desired)
        problem = self._unready.get(spec.tag) if replicas else None
        ready = min(state.ready + started, replicas)
        self.become(replace(state, desired=replicas, ready=ready, problem=problem))

    async def remove(self, version: VersionKey) -> None:
        """See `Workloads`."""
        self._states.pop(version, None)

    def states(self, serving: ServingName | None = None) -> list[VersionState]:
        """See `Workloads`."""
        return [state for state in self._states.values() if serving in {None, state.key.serving}]

    async def changed(self) -> set[ServingName]:
        """See `Workloads`."""
        return await self._changed.take()

    def become(self, state: VersionState) -> None:
        """Set the state of a version."""
        self._states[state.key] = state
        self._changed.add(state.key.serving)


class InMemoryScaling:
    """See `ports.Scaling`; the number of replicas is set by `ask_for`."""

    def __init__(self) -> None:
        self._scaled: dict[VersionKey, Deployment] = {}
        self._asked: dict[VersionKey, int] = {}
        self._changed: Notices[ServingName] = Notices()

    async def declare(self, serving: ServingName, deployments: Collection[Deployment]) -> dict[VersionKey, int]:
        """See `Scaling`."""
        before = {key: each for key, each in self._scaled.items() if key.serving == serving}
        wanted = {each.key(serving): each for each in deployments if each.variant.autoscaling is not None}
        for key in before.keys() - wanted.keys():
            self._asked.pop(key, None)
        self._scaled = {key: each for key, each in self._scaled.items() if key not in before} | wanted
        for key, each in wanted.items():
            self._asked.setdefault(key, each.replicas)
        return {key: self._number(each, self._asked[key]) for key, each in wanted.items()}

    async def changed(self) -> set[ServingName]:
        """See `Scaling`."""
        return await self._changed.take()

    def ask_for(self, version: VersionKey, replicas: int) -> None:
        """Set the number of replicas that the load requires."""
        scaled = self._scaled.get(version)
        if scaled is None:
            return
        before = self._number(scaled, self._asked[version])
        self._asked[version] = replicas
        if self._number(scaled, replicas) != before:
            self._changed.add(version.serving)

    def _number(self, deployment: Deployment, asked: int) -> int:
        autoscaling = deployment.variant.autoscaling
        if autoscaling is None:
            return deployment.replicas
        return min(max(asked, autoscaling.min_replicas), autoscaling.max_replicas)


class InMemoryPreparation:
    """See `ports.Preparation`."""

    def __init__(self) -> None:
        self.models: dict[str, ModelFacts] = {}

    async def find(self, digest: str) -> ModelFacts | None:
        """See `Preparation`."""
        return self.models.get(digest)

    async def prepare(self, spec: VersionSpec, _on_step: OnStep) -> None:
        """See `Preparation`."""
        self.models[spec.model.digest] = spec.model.facts

    async def retain(self, digests: Collection[str]) -> None:
        """See `Preparation`."""
        self.models = {digest: facts for digest, facts in self.models.items() if digest in digests}


class InMemoryLogs:
    """See `ports.ReplicaLogs`."""

    def __init__(self) -> None:
        self._parts: list[LogPart] = []
        self._written = 0

    def write(self, version: VersionKey, replica: int, *lines: str) -> None:
        """Add output of a replica."""
        self._written += 1
        self._parts.append(LogPart(version, replica, str(self._written), lines))

    async def read(self) -> list[LogPart]:
        """See `ReplicaLogs`."""
        first: dict[tuple[VersionKey, int], LogPart] = {}
        for part in self._parts:
            first.setdefault((part.version, part.replica), part)
        return list(first.values())

    async def acknowledge(self, parts: Collection[LogPart]) -> None:
        """See `ReplicaLogs`."""
        self._parts = [part for part in self._parts if part not in parts]


@dataclass
class InMemoryBackend:
    """See `ports.Backend`."""

    workloads: InMemoryWorkloads = field(default_factory=InMemoryWorkloads)
    data_plane: InMemoryDataPlane = field(default_factory=InMemoryDataPlane)
    scaling: Scaling = field(default_factory=InMemoryScaling)
    models: Preparation = field(default_factory=InMemoryPreparation)
    logs: InMemoryLogs = field(default_factory=InMemoryLogs)

    @property
    def requests(self) -> RequestCounts:
        """See `Backend`: the data plane counts."""
        return self.data_plane

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return

    async def run(self) -> None:
        """See `Backend`: nothing happens in the background."""
        await asyncio.Event().wait()

    async def problem(self) -> str | None:
        """See `Backend`."""
        return None if self.data_plane.is_up() else "the data plane is down"


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
