"""The model servers of a serving together with the proxy in front of them."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from klever_deployer.domain import versions
from klever_deployer.domain.analysis import Counts, total
from klever_deployer.domain.versions import VersionSpec, VersionState
from klever_deployer.errors import MODEL_SERVER_FAILED, UNSUPPORTED_HERE, RefusedByProxyError, ServingError
from klever_deployer.ports import Backend
from kleverproto.commands import command_refusal
from kleverproto.documents import Problem
from kleverproto.servings import VariantStatus
from kleverroutes import paths, routing
from kleverroutes.routing import Stage
from kleverroutes.versions import Deployment, ServingName, VersionKey

POLL_SECONDS, LONGEST_POLL_SECONDS = 0.02, 0.5
POLL_SHARE = 0.05
"""The pause between two looks grows with the time that a start takes, so that many slow starts are not a load."""
ADOPTION_SECONDS = 2.0
"""Longest wait for the first probe of model servers that an earlier deployer has started."""


@dataclass(frozen=True)
class Servers:
    """Starts and stops the model servers of servings, and routes requests to them.

    Args:
        backend: runs the servings.
        ingress_url: the URL by which clients reach the proxy.
        ready_timeout: seconds until a model server must be ready.
        allow_commands: whether variants with `custom.command` may run.
    """

    backend: Backend
    ingress_url: str
    ready_timeout: float
    allow_commands: bool
    _adopted: set[ServingName] = field(default_factory=set)
    _applied: dict[ServingName, dict[VersionKey, VersionSpec]] = field(default_factory=dict)
    """The specs that were applied last, needed when a number of replicas changes during a rollout."""

    def check(self, stage: Stage) -> None:
        """Check that a stage may run, and can run and be routed, on this backend. Raises ServingError."""
        self.check_commands(stage.wanted)
        for each in stage.wanted:
            if (refused := self.backend.workloads.refusal(stage.serving, each.variant)) is not None:
                raise ServingError(refused, code=UNSUPPORTED_HERE)
        self.check_routes(stage)

    def check_routes(self, stage: Stage) -> None:
        """Check that the data plane supports all routes of a rollout. Raises ServingError.

        Whether a version supports gRPC is known once it is applied.
        """
        for route in routing.rollout_routes(stage):
            if (refused := self.backend.data_plane.refusal(route)) is not None:
                raise RefusedByProxyError(refused)

    def problem(self, stage: Stage) -> Problem | None:
        """The reason why a stage cannot run here; None if none is known before its models are read."""
        try:
            self.check(stage)
        except ServingError as error:
            return error.problem
        return None

    def check_commands(self, wanted: Sequence[Deployment]) -> None:
        """Check that the operator allows the variants' commands. Raises ServingError."""
        for each in wanted:
            if refused := command_refusal(each.variant, allowed=self.allow_commands):
                code, message = refused
                raise ServingError(message, code=code)

    def allowed(self, wanted: Sequence[Deployment]) -> tuple[Deployment, ...]:
        """The variants that the operator allows to run."""
        return tuple(each for each in wanted if not command_refusal(each.variant, allowed=self.allow_commands))

    async def apply(
        self, serving: ServingName, wanted: Sequence[Deployment], specs: Mapping[VersionKey, VersionSpec]
    ) -> None:
        """Run these variants. Replicas that already run are adopted.

        Raises:
            ServingError: the operator does not allow a variant's command; then nothing is started.
        """
        self.check_commands(wanted)
        self._applied[serving] = self._applied.get(serving, {}) | dict(specs)
        for each in wanted:
            await self.backend.workloads.apply(self._applied[serving][each.key(serving)], each.replicas)

    def begin(self) -> None:
        """Forget what was applied and adopted: another deployer may have used the backend meanwhile."""
        self._adopted.clear()
        self._applied.clear()

    async def adopt(self, serving: ServingName, wanted: Sequence[Deployment]) -> None:
        """Wait, once for each serving, until the replicas that an earlier deployer has started are probed.

        If routes left out replicas that serve but are not probed yet, requests would fail.
        """
        if serving in self._adopted:
            return
        with suppress(TimeoutError, ServingError):
            async with asyncio.timeout(ADOPTION_SECONDS):
                while not self.are_ready(serving, wanted):  # noqa: ASYNC110 - only the reconciler hears of changes
                    await asyncio.sleep(POLL_SECONDS)
        self._adopted.add(serving)

    def has_adopted(self, serving: ServingName) -> bool:
        """Return whether the states of the serving's replicas are known."""
        return serving in self._adopted

    def states(self, serving: ServingName) -> list[VersionState]:
        """The states of a serving's versions."""
        return self.backend.workloads.states(serving)

    def is_routed(self, serving: ServingName) -> bool:
        """Return whether the proxy has a route to the serving."""
        return serving in self.backend.data_plane.served()

    def exists(self, serving: ServingName) -> bool:
        """Return whether the serving has replicas or a route."""
        return self.is_routed(serving) or bool(self.states(serving))

    async def scale(self, stage: Stage) -> Stage:
        """The stage with the present number of replicas of each version; declares the versions to autoscaling."""
        numbers = await self.backend.scaling.declare(stage.serving, stage.running)

        def scaled(deployment: Deployment) -> Deployment:
            number = numbers.get(deployment.key(stage.serving), deployment.replicas)
            return replace(deployment, replicas=number) if number != deployment.replicas else deployment

        return replace(stage, wanted=tuple(map(scaled, stage.wanted)), stable=tuple(map(scaled, stage.stable)))

    async def rescale(self, stage: Stage) -> Stage:
        """Like `scale`, and apply the changed numbers of replicas."""
        scaled = await self.scale(stage)
        if scaled != stage:
            applied = self._applied.get(stage.serving, {})
            await self.apply(stage.serving, [each for each in scaled.running if each.key(stage.serving) in applied], {})
        return scaled

    async def wait_until_ready(self, serving: ServingName, wanted: Sequence[Deployment]) -> None:
        """Wait until every replica is ready. Raises ServingError if one fails or the time is exceeded."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self.ready_timeout):
                while not self.are_ready(serving, wanted):  # noqa: ASYNC110 - only the reconciler hears of changes
                    await asyncio.sleep(pause_after(loop.time() - began))
        except TimeoutError as error:
            message = f"a model server of {serving} was not ready after {self.ready_timeout:g} s"
            raise ServingError(message, code=MODEL_SERVER_FAILED) from error

    def are_ready(self, serving: ServingName, wanted: Sequence[Deployment]) -> bool:
        """Return whether every replica is ready. Raises ServingError if one has failed to start."""
        states = self.states(serving)
        if (problem := versions.start_problem(serving, wanted, states)) is not None:
            raise ServingError(problem, code=MODEL_SERVER_FAILED)
        return versions.are_ready(serving, wanted, states)

    async def route(self, stage: Stage) -> None:
        """Route requests to the versions of the stage. Raises DataPlaneError."""
        await self.backend.data_plane.apply(routing.route(stage))

    def statuses(self, stage: Stage) -> tuple[VariantStatus, ...]:
        """The statuses of the variants, as recorded in the document."""
        states, weights = self.states(stage.serving), routing.percents(stage)
        return versions.statuses(stage.serving, stage.running, states, weights=weights)

    async def counts(self, serving: ServingName, wanted: Sequence[Deployment]) -> Counts:
        """The sum of the request counters of these variants. Raises DataPlaneError."""
        counted = await self.backend.requests.counts({each.key(serving) for each in wanted})
        return total(counted.values())

    async def remove_others(self, serving: ServingName, wanted: Sequence[Deployment]) -> None:
        """Stop all versions of a serving except these."""
        for key in versions.superfluous(serving, wanted, self.states(serving)):
            await self.backend.workloads.remove(key)

    async def remove(self, serving: ServingName) -> None:
        """Remove the serving's route and replicas; requests in flight complete."""
        await self.backend.scaling.declare(serving, ())
        self._applied.pop(serving, None)
        self._adopted.discard(serving)
        await self.backend.data_plane.remove(serving)
        await self.remove_others(serving, ())

    def url(self, serving: ServingName) -> str:
        """The URL for inference requests."""
        return paths.infer_url(self.ingress_url, serving)


def pause_after(waited: float) -> float:
    """Seconds until the next look at replicas, after this time since their start."""
    return min(LONGEST_POLL_SECONDS, POLL_SECONDS + POLL_SHARE * waited)
