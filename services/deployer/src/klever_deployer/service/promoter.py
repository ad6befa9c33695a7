"""Shifts traffic to a new version step by step, and back if the version exceeds its limits."""

import asyncio
from dataclasses import dataclass, replace
from functools import partial

from klever_deployer.domain import stages, steps
from klever_deployer.domain.analysis import Unmeasured
from klever_deployer.errors import RolledBackError
from kleverproto.rollouts import Measurement, Revision, RolloutPhase, RolloutStatus
from kleverproto.servings import ServingDocument, ServingStatusChanges, TrafficShifted
from kleverroutes import routing
from kleverroutes.routing import WHOLE, Stage
from kleverroutes.versions import Deployment

from .measuring import StepMeasurement
from .records import Records
from .servers import Servers


@dataclass(frozen=True)
class Promoter:
    """Shifts traffic to a new version that is ready, from 0 to 100 %.

    Args:
        records: documents and events.
        servers: measures the new version, and routes requests.
        tick_seconds: interval between two measurements.
    """

    records: Records
    servers: Servers
    tick_seconds: float = 0.5

    async def promote(self, document: ServingDocument, stage: Stage) -> ServingDocument:
        """Return once the new version has all the traffic.

        Raises:
            RolledBackError: the new version exceeded a limit, or the rollout was aborted.
            ServingError: the new version no longer runs.
            SupersededError: a newer intent was recorded.
            TransientError: a service does not respond; the next pass resumes from the recorded step.
        """
        if _rollout(document).steps:  # the deployer may have crashed between a step and its event
            document = await self._publish(document, replace(stage, percent=_rollout(document).weight))
        if _rollout(document).weight == WHOLE:
            await self.servers.route(_whole(stage))
            return document
        if not stage.stable or stages.has_same_servers(stage):
            return await self._shift(document, stage, steps.MoveTo(WHOLE, "all at once"), None)
        step = StepMeasurement(partial(self.servers.counts, stage.serving, _only_new(stage)))
        await step.begin()
        while (rollout := _rollout(document)).weight < WHOLE:
            stage = await self.servers.rescale(stage)
            self.servers.are_ready(stage.serving, stage.wanted)
            measured = await step.measure()
            move = steps.next_move(stage.spec.strategy, rollout, measured, self.records.clock())
            if isinstance(move, steps.RollBack):
                raise RolledBackError(move.message, code=move.code)
            if isinstance(move, steps.MoveTo):
                document = await self._shift(document, stage, move, _published(measured))
                await step.begin()
            else:
                await self.servers.route(replace(stage, percent=rollout.weight))
                await self.servers.remove_others(stage.serving, stage.running)
                document = await self._stay(document, stage, move, _published(measured))
                await asyncio.sleep(self.tick_seconds)
        return document

    async def _stay(
        self, document: ServingDocument, stage: Stage, move: steps.Stay, measured: Measurement | None
    ) -> ServingDocument:
        rollout = _rollout(document)
        stayed = rollout.replace(phase=move.phase, message=move.message, measured=measured)
        is_known = rollout.phase is move.phase
        variants = self.servers.statuses(replace(stage, percent=rollout.weight))
        document = await self.records.update(document, rollout=stayed, variants=variants)
        if not is_known and move.phase is not RolloutPhase.PROGRESSING:
            document = await self.records.step(document, move.message)
        return document

    async def _shift(
        self, document: ServingDocument, stage: Stage, move: steps.MoveTo, measured: Measurement | None
    ) -> ServingDocument:
        """Shift traffic, then record which version serves, before the old version is stopped."""
        now = self.records.clock()
        there = _whole(stage) if move.weight == WHOLE else replace(stage, percent=move.weight)
        await self.servers.route(there)
        weights = routing.variant_percents(there)
        changes: ServingStatusChanges = {"rollout": steps.moved(_rollout(document), move, weights, measured, now)}
        if move.weight == WHOLE:
            revision = Revision(generation=document.generation, spec=stage.spec, ready_at=now)
            changes |= {"applied": stage.spec, "revisions": stages.append_revision(document, revision)}
        changes["variants"] = self.servers.statuses(there)
        document = await self.records.update(document, **changes)
        return await self._publish(document, there)

    async def _publish(self, document: ServingDocument, stage: Stage) -> ServingDocument:
        """Publish the last recorded step."""
        weights = routing.variant_percents(stage)
        shifted = TrafficShifted(
            namespace=document.namespace, name=document.name, generation=document.generation, weights=weights
        )
        step = _rollout(document).steps[-1]
        await self.records.publish(document, shifted, str(step.weight))
        return await self.records.step(document, steps.describe(step))


def _rollout(document: ServingDocument) -> RolloutStatus:
    if document.status.rollout is None:
        raise ValueError(f"{document.namespace}/{document.name} has no rollout")
    return document.status.rollout


def _published(measured: Measurement | Unmeasured) -> Measurement | None:
    return measured if isinstance(measured, Measurement) else None


def _whole(stage: Stage) -> Stage:
    """The stage after the last step, without the old version."""
    return Stage(stage.serving, stage.spec, stage.wanted)


def _only_new(stage: Stage) -> tuple[Deployment, ...]:
    """The variants whose servers are new in this rollout."""
    old = {each.key(stage.serving) for each in stage.stable}
    return tuple(each for each in stage.wanted if each.key(stage.serving) not in old)
