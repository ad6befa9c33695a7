"""The model servers of a serving and the proxy in front of them, as one thing."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from klever_deployer.domain import paths, routing, versions
from klever_deployer.domain.analysis import Counts, total
from klever_deployer.domain.routing import Stage
from klever_deployer.domain.versions import Deployment, ServingName, VersionKey, VersionSpec, VersionState
from klever_deployer.errors import MODEL_SERVER_FAILED, UNSUPPORTED_HERE, ServingError
from klever_deployer.ports import Backend
from kleverproto.commands import command_refusal
from kleverproto.servings import VariantStatus

POLL_SECONDS = 0.02
ADOPTION_SECONDS = 2.0
"""How long model servers of an earlier deployer may take to be probed for the first time."""


@dataclass(frozen=True)
class Servers:
    """Starts, routes and stops.

    Args:
        backend: where servings run.
        ingress_url: how clients reach the proxy.
        ready_timeout: seconds a model server may take to be ready.
        allow_commands: whether the operator lets variants run programs of their authors.
    """

    backend: Backend
    ingress_url: str
    ready_timeout: float
    allow_commands: bool
    _adopted: set[ServingName] = field(default_factory=set)
    _applied: dict[ServingName, dict[VersionKey, VersionSpec]] = field(default_factory=dict)
    """What was applied last, for numbers of replicas that change during a rollout."""

    def check(self, serving: ServingName, wanted: Sequence[Deployment]) -> None:
        """Raises ServingError where a variant cannot or may not run here."""
        self.check_commands(wanted)
        for each in wanted:
            if (refused := self.backend.workloads.refusal(serving.namespace, each.variant)) is not None:
                raise ServingError(refused, code=UNSUPPORTED_HERE)

    def check_commands(self, wanted: Sequence[Deployment]) -> None:
        """Raises ServingError where the operator does not let a variant run."""
        for each in wanted:
            if refused := command_refusal(each.variant, allowed=self.allow_commands):
                code, message = refused
                raise ServingError(message, code=code)

    def allowed(self, wanted: Sequence[Deployment]) -> tuple[Deployment, ...]:
        """Those of these variants that the operator lets run."""
        return tuple(each for each in wanted if not command_refusal(each.variant, allowed=self.allow_commands))

    async def apply(
        self, serving: ServingName, wanted: Sequence[Deployment], specs: Mapping[VersionKey, VersionSpec]
    ) -> None:
        """Have these variants run; what runs already is adopted, and watched from now on.

        Raises:
            ServingError: the operator does not let a variant run; then nothing is started.
        """
        self.check_commands(wanted)
        self._applied[serving] = self._applied.get(serving, {}) | dict(specs)
        for each in wanted:
            await self.backend.workloads.apply(self._applied[serving][each.key(serving)], each.replicas)

    def begin(self) -> None:
        """Assume nothing of what runs: another deployer may have had the backend since."""
        self._adopted.clear()
        self._applied.clear()

    async def adopt(self, serving: ServingName, wanted: Sequence[Deployment]) -> None:
        """Once for each serving, wait until what an earlier deployer has started is probed.

        Routing around model servers that serve but were not probed yet would fail requests.
        """
        if serving in self._adopted:
            return
        with suppress(TimeoutError, ServingError):
            async with asyncio.timeout(ADOPTION_SECONDS):
                while not self.are_ready(serving, wanted):  # noqa: ASYNC110 - only the reconciler hears of changes
                    await asyncio.sleep(POLL_SECONDS)
        self._adopted.add(serving)

    def has_adopted(self, serving: ServingName) -> bool:
        """Whether the states of its replicas are known."""
        return serving in self._adopted

    def states(self, serving: ServingName) -> list[VersionState]:
        """The versions of a serving."""
        return self.backend.workloads.states(serving)

    def is_routed(self, serving: ServingName) -> bool:
        """Whether the proxy has a route to it."""
        return serving in self.backend.data_plane.served()

    def is_there(self, serving: ServingName) -> bool:
        """Whether anything of it runs or is routed."""
        return self.is_routed(serving) or bool(self.states(serving))

    async def scale(self, stage: Stage) -> Stage:
        """The stage with as many replicas as its versions should have now; they are scaled from here on."""
        numbers = await self.backend.scaling.declare(stage.serving, stage.running)

        def scaled(deployment: Deployment) -> Deployment:
            number = numbers.get(deployment.key(stage.serving), deployment.replicas)
            return replace(deployment, replicas=number) if number != deployment.replicas else deployment

        return replace(stage, wanted=tuple(map(scaled, stage.wanted)), stable=tuple(map(scaled, stage.stable)))

    async def rescale(self, stage: Stage) -> Stage:
        """The same, and the replicas that are missing start."""
        scaled = await self.scale(stage)
        if scaled != stage:
            applied = self._applied.get(stage.serving, {})
            await self.apply(stage.serving, [each for each in scaled.running if each.key(stage.serving) in applied], {})
        return scaled

    async def until_ready(self, serving: ServingName, wanted: Sequence[Deployment]) -> None:
        """Wait for every replica. Raises ServingError where that will not be."""
        try:
            async with asyncio.timeout(self.ready_timeout):
                while not self.are_ready(serving, wanted):  # noqa: ASYNC110 - only the reconciler hears of changes
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            message = f"a model server of {serving} was not ready after {self.ready_timeout:g} s"
            raise ServingError(message, code=MODEL_SERVER_FAILED) from error

    def are_ready(self, serving: ServingName, wanted: Sequence[Deployment]) -> bool:
        """Whether every replica takes requests. Raises ServingError where one never will."""
        states = self.states(serving)
        if (problem := versions.start_problem(serving, wanted, states)) is not None:
            raise ServingError(problem, code=MODEL_SERVER_FAILED)
        return versions.are_ready(serving, wanted, states)

    async def route(self, stage: Stage) -> None:
        """Spread requests as the stage says. Raises DataPlaneError."""
        await self.backend.data_plane.apply(routing.route(stage))

    def statuses(self, stage: Stage) -> tuple[VariantStatus, ...]:
        """The variants as they are recorded."""
        states, weights = self.states(stage.serving), routing.percents(stage)
        return versions.statuses(stage.serving, stage.running, states, weights=weights)

    async def counts(self, serving: ServingName, wanted: Sequence[Deployment]) -> Counts:
        """What was counted of requests to these variants. Raises DataPlaneError."""
        counted = await self.backend.requests.counts({each.key(serving) for each in wanted})
        return total(counted.values())

    async def remove_others(self, serving: ServingName, wanted: Sequence[Deployment]) -> None:
        """Stop the versions of a serving that are none of these."""
        for key in versions.superfluous(serving, wanted, self.states(serving)):
            await self.backend.workloads.remove(key)

    async def remove(self, serving: ServingName) -> None:
        """Leave nothing of it; requests in flight are answered."""
        await self.backend.scaling.declare(serving, ())
        self._applied.pop(serving, None)
        self._adopted.discard(serving)
        await self.backend.data_plane.remove(serving)
        await self.remove_others(serving, ())

    def url(self, serving: ServingName) -> str:
        """Where clients infer."""
        return paths.infer_url(self.ingress_url, serving)
