"""Converges one serving: compares the requested with the actual state, takes the missing steps and records each.

Every pass may be the first after a crash, so it relies only on the document, the workloads and the proxy.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from prometheus_client import Histogram

from klever_deployer.domain import availability
from klever_deployer.domain.intents import Known
from klever_deployer.domain.outcomes import is_unannounced
from klever_deployer.domain.stages import has_same_servers, stage_of
from klever_deployer.errors import RefusedByProxyError, RolledBackError, ServingError
from kleverkit.documents import Buried
from kleverkit.metrics import observe
from kleverproto.codes import COMMANDS_NOT_ALLOWED
from kleverproto.documents import Tombstone
from kleverproto.rollouts import RolloutPhase, RolloutStatus
from kleverproto.served import applied_models
from kleverproto.servings import ServingDocument, ServingPhase
from kleverproto.strategies import Recreate
from kleverroutes.routing import Stage
from kleverroutes.versions import Deployment, ServingName, deployments

from .models import Models
from .observer import Observer
from .promoter import Promoter
from .records import Records, key_of
from .servers import Servers


@dataclass(frozen=True)
class Rollout:
    """Applies servings.

    Args:
        records: documents and events.
        models: prepares the models of variants.
        servers: model servers, and the proxy in front of them.
        promoter: shifts traffic to a new version.
        observer: records the actual state.
        duration: measures rollouts by strategy and result.
    """

    records: Records
    models: Models
    servers: Servers
    promoter: Promoter
    observer: Observer
    duration: Histogram

    async def converge(self, serving: ServingName) -> Known:
        """Make the serving match its document, or remove it if there is a tombstone.

        If there is neither, the serving is not changed: the bucket may have lost the document.

        Returns:
            The document or tombstone that the bucket held.

        Raises:
            SupersededError: a newer intent was recorded; converge again.
            TransientError: a service does not respond; converge again later.
        """
        present = await self.records.find(serving)
        if present is None:
            return None
        if isinstance(present, Buried):
            await self._clean_up(serving, present.tombstone)
            return present.tombstone
        await self._converge(serving, present.document)
        return present.document

    async def _converge(self, serving: ServingName, document: ServingDocument) -> None:
        if is_unannounced(document):
            document = await self.records.announce(document)
        if document.status.phase is ServingPhase.DELETING:
            await self.servers.remove(serving)
            await self.records.bury(document)
        elif availability.is_applied(document) and not self._is_allowed_again(document):
            await self._maintain(serving, document)
        else:
            await self._apply(serving, document)

    async def _clean_up(self, serving: ServingName, tombstone: Tombstone[ServingDocument]) -> None:
        if self.servers.exists(serving):
            await self.servers.remove(serving)
        await self.records.deletions.finish(key_of(serving), tombstone)

    async def _apply(self, serving: ServingName, document: ServingDocument) -> None:
        """Applies a new spec: the old variants keep serving until the new ones are ready, or for good if they fail."""
        began = time.perf_counter()
        with suppress(ServingError):  # the new version can be applied even if the old model is missing
            await self._keep_old(serving, document)
        try:
            document = await self._begin(document)
            stage = await self.servers.scale(stage_of(serving, document))
            document = await self._prepare(document, stage)
            await self._start(stage)
            document = await self.promoter.promote(document, stage)
            await self.servers.apply(serving, stage.wanted, {})
        except ServingError as error:
            await self._give_up(serving, document, error)
            self._measure(document, "failed", began)
            return
        await self.servers.remove_others(serving, stage.wanted)
        await self.records.settle(
            document,
            phase=ServingPhase.READY,
            observed_generation=document.generation,
            url=self.servers.url(serving),
            problem=None,
            ready_at=self.records.clock(),
            unavailable_since=None,
        )
        self._measure(document, "ready", began)

    def _measure(self, document: ServingDocument, result: str, began: float) -> None:
        observe(self.duration.labels(document.spec.strategy.type, result), time.perf_counter() - began)

    async def _begin(self, document: ServingDocument) -> ServingDocument:
        """Resolves tags once, so that a later push does not change this rollout, and records the rollout."""
        spec = await self.models.resolve(document.spec, applied_models(document))
        document = await self.records.record_spec(document, spec)
        rollout = document.status.rollout
        if rollout is not None and rollout.generation == document.generation:
            return document
        begun = RolloutStatus(
            generation=document.generation, strategy=document.spec.strategy.type, since=self.records.clock()
        )
        return await self.records.update(document, rollout=begun)

    async def _prepare(self, document: ServingDocument, stage: Stage) -> ServingDocument:
        """Prepares everything that the new version needs. Raises ServingError."""
        self.servers.check(stage)
        latest = document

        async def on_step(step: str) -> None:
            nonlocal latest
            latest = await self.records.step(latest, step)

        await self.models.prepare(stage.serving, stage.wanted, on_step)
        rollout = latest.status.rollout
        if rollout is None or not rollout.steps:  # otherwise a rollout resumes
            await on_step("models are prepared; starting model servers")
        return latest

    async def _keep_old(self, serving: ServingName, document: ServingDocument) -> None:
        """Keeps the old version serving, and removes the traffic of a superseded rollout."""
        stable = stage_of(serving, document).stable
        rollout, applied = document.status.rollout, document.status.applied
        if not stable or applied is None or isinstance(document.spec.strategy, Recreate):
            return
        allowed = self.servers.allowed(stable)
        await self._run(serving, allowed)
        await self.servers.adopt(serving, stable)
        if rollout is None or rollout.generation != document.generation:
            await self.servers.route(Stage(serving, applied, stable))

    async def _start(self, stage: Stage) -> None:
        """Start the new version and wait until it is ready. Raises ServingError."""
        if isinstance(stage.spec.strategy, Recreate) and not has_same_servers(stage):
            await self.servers.remove_others(stage.serving, stage.wanted)
        await self._run(stage.serving, stage.held)
        self.servers.check_routes(stage)
        await self.servers.wait_until_ready(stage.serving, stage.wanted)

    async def _run(self, serving: ServingName, wanted: Sequence[Deployment]) -> None:
        """Prepare and run these variants. Raises ServingError."""
        await self.servers.apply(serving, wanted, await self.models.prepare(serving, wanted))

    async def _give_up(self, serving: ServingName, document: ServingDocument, error: ServingError) -> None:
        """Shifts all traffic back to the old version, and stops the new one."""
        applied = document.status.applied
        stable = deployments(applied, document.status.variants)
        allowed = self.servers.allowed(stable)
        if applied is not None:
            with suppress(ServingError):
                await self._run(serving, allowed)
            with suppress(RefusedByProxyError):  # the proxy keeps its present route
                await self.servers.route(Stage(serving, applied, stable))
        latest = await self.records.read(serving)  # steps were recorded since the document was read
        rollout = (latest or document).status.rollout
        if rollout is not None and rollout.generation == document.generation:
            phase = RolloutPhase.ROLLED_BACK if isinstance(error, RolledBackError) else RolloutPhase.FAILED
            rollout = rollout.replace(phase=phase, weight=0, message=str(error), action=None)
        document = await self.records.settle(
            document,
            phase=ServingPhase.FAILED,
            problem=error.problem,
            rollout=rollout,
            variants=self.servers.statuses(Stage(serving, applied, stable)) if applied else (),
        )
        await self.servers.remove_others(serving, allowed)

    def _is_allowed_again(self, document: ServingDocument) -> bool:
        """Return whether the serving was stopped because its commands were not allowed, and they are allowed now."""
        status = document.status
        is_stopped = status.phase is ServingPhase.FAILED and status.observed_generation >= document.generation
        wanted = deployments(document.spec, status.variants)
        by_operator = status.problem is not None and status.problem.code == COMMANDS_NOT_ALLOWED
        return is_stopped and by_operator and self.servers.allowed(wanted) == wanted

    async def _maintain(self, serving: ServingName, document: ServingDocument) -> None:
        """Maintains the replicas and the route of the applied spec."""
        applied = document.status.applied
        if applied is None:
            await self.servers.remove_others(serving, ())
            return
        recorded = Stage(serving, applied, deployments(applied, document.status.variants))
        stage = await self.servers.scale(recorded)
        allowed = self.servers.allowed(stage.wanted)
        try:
            await self._run(serving, allowed)
            await self.servers.adopt(serving, allowed)
            if allowed != stage.wanted:
                document = await self._withdraw(document, stage, allowed)
            await self.servers.route(stage)
        except ServingError as error:
            await self.records.update(document, problem=error.problem)
            return
        await self.observer.record(document, stage)
        await self.servers.remove_others(serving, allowed)

    async def _withdraw(
        self, document: ServingDocument, stage: Stage, allowed: Sequence[Deployment]
    ) -> ServingDocument:
        """Stops variants that the operator no longer allows, and records the reason; the spec is not changed."""
        await self.servers.remove_others(stage.serving, allowed)
        try:
            self.servers.check_commands(stage.wanted)
        except ServingError as error:
            status = document.status
            if (status.phase, status.problem) != (ServingPhase.FAILED, error.problem):
                return await self.records.settle(document, phase=ServingPhase.FAILED, problem=error.problem)
        return document
