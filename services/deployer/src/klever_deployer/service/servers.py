"""The model servers of a serving and the proxy in front of them, as one thing."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from klever_deployer.domain import paths, replicas, routing
from klever_deployer.domain.analysis import Counts, total
from klever_deployer.domain.replicas import Deployment, Endpoint, Prepared, ReplicaState, ServingName, VersionKey
from klever_deployer.domain.routing import BackendKey, Stage
from klever_deployer.errors import MODEL_SERVER_FAILED, UNSUPPORTED_HERE, ServingError
from klever_deployer.ports import DataPlane, Workloads
from kleverproto.commands import command_refusal
from kleverproto.servings import VariantStatus

from .scaling import Scaler

POLL_SECONDS = 0.02
ADOPTION_SECONDS = 2.0
"""How long model servers of an earlier deployer may take to be probed for the first time."""


@dataclass(frozen=True)
class Servers:
    """Starts, routes and stops.

    Args:
        workloads: model servers.
        data_plane: the proxy.
        ingress_url: how clients reach the proxy.
        ready_timeout: seconds a model server may take to be ready.
        scaler: how many replicas those variants should have that follow their requests.
        waiting_room: where requests for a variant wait that has no replica.
        allow_commands: whether the operator lets variants run programs of their authors.
    """

    workloads: Workloads
    data_plane: DataPlane
    ingress_url: str
    ready_timeout: float
    scaler: Scaler
    waiting_room: Callable[[BackendKey], Endpoint]
    allow_commands: bool
    _adopted: set[ServingName] = field(default_factory=set)
    _prepared: dict[ServingName, dict[VersionKey, Prepared]] = field(default_factory=dict)
    """What was started last, for replicas that are added while a rollout goes on."""

    def check(self, serving: ServingName, wanted: Sequence[Deployment]) -> None:
        """Raises ServingError where a variant cannot or may not run here."""
        self.check_commands(wanted)
        for each in wanted:
            if (refused := self.workloads.refusal(serving.namespace, each.variant)) is not None:
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

    async def start(
        self, serving: ServingName, wanted: Sequence[Deployment], prepared: dict[VersionKey, Prepared]
    ) -> None:
        """Start what is missing; what runs is adopted, and watched from now on.

        Raises:
            ServingError: the operator does not let a variant run; then nothing is started.
        """
        self.check_commands(wanted)
        self._prepared[serving] = self._prepared.get(serving, {}) | prepared
        for spec in replicas.replica_specs(serving, wanted, prepared):
            await self.workloads.start(spec)

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

    def states(self, serving: ServingName) -> list[ReplicaState]:
        """The replicas of a serving."""
        return [state for state in self.workloads.states() if state.key.serving == serving]

    def is_routed(self, serving: ServingName) -> bool:
        """Whether the proxy has a route to it."""
        return serving in self.data_plane.served()

    def is_there(self, serving: ServingName) -> bool:
        """Whether anything of it runs or is routed."""
        return self.is_routed(serving) or bool(self.states(serving))

    async def rescale(self, stage: Stage) -> Stage:
        """The stage with as many replicas as its requests ask for now, of which those that are missing start."""
        scaled = self.scaler.scaled(stage)
        if scaled != stage:
            await self.start(stage.serving, scaled.running, self._prepared.get(stage.serving, {}))
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
        states = self.workloads.states()
        if (words := replicas.last_words(serving, wanted, states)) is not None:
            raise ServingError(words, code=MODEL_SERVER_FAILED)
        return replicas.are_ready(serving, wanted, states)

    def last_words(self, stage: Stage) -> str | None:
        """Why a server of what is wanted does not start again; None while there is hope."""
        return replicas.last_words(stage.serving, stage.wanted, self.workloads.states())

    async def route(self, stage: Stage) -> None:
        """Spread requests as the stage says. Raises DataPlaneError."""
        await self.data_plane.apply(routing.route(stage, self.workloads.states(), self.waiting_room))

    def statuses(self, stage: Stage) -> tuple[VariantStatus, ...]:
        """The variants as they are recorded."""
        weights = routing.percents(stage)
        return replicas.statuses(stage.serving, stage.running, self.workloads.states(), weights=weights)

    async def counts(self, serving: ServingName, wanted: Sequence[Deployment]) -> Counts:
        """What the proxy has counted of these variants. Raises DataPlaneError."""
        keys = {BackendKey(serving, each.variant.name, each.revision) for each in wanted}
        return total((await self.data_plane.counts(keys)).values())

    async def stop_superfluous(self, serving: ServingName, wanted: Sequence[Deployment]) -> None:
        """Stop the replicas of a serving that none of these variants needs."""
        for key in replicas.superfluous(serving, wanted, self.workloads.states()):
            await self.workloads.stop(key)

    async def remove(self, serving: ServingName) -> None:
        """Leave nothing of it; requests in flight are answered."""
        self.scaler.forget(serving)
        self._prepared.pop(serving, None)
        self._adopted.discard(serving)
        await self.data_plane.remove(serving)
        await self.stop_superfluous(serving, ())

    def url(self, serving: ServingName) -> str:
        """Where clients infer."""
        return paths.infer_url(self.ingress_url, serving)
