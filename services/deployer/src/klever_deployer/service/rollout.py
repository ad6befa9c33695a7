"""One pass over a serving: look at what is asked for and at what is, take the steps that are missing, record each.

Every pass may be the first after a crash, so it trusts nothing but the document, the processes and the proxy.
"""

from contextlib import suppress
from dataclasses import dataclass

from klever_deployer.domain import replicas
from klever_deployer.domain.replicas import ServingName
from klever_deployer.domain.routing import Stage
from klever_deployer.domain.stages import same_servers, stage_of
from klever_deployer.errors import MODEL_SERVER_FAILED, RolledBackError, ServingError
from kleverproto.documents import Problem
from kleverproto.rollouts import RolloutPhase, RolloutStatus
from kleverproto.servings import ServingDocument, ServingPhase
from kleverproto.strategies import Recreate

from .advancing import Advance
from .models import Models
from .outcomes import is_untold
from .records import Records
from .servers import Servers


@dataclass(frozen=True)
class Rollout:
    """Applies servings.

    Args:
        records: documents and events.
        models: what variants serve.
        servers: model servers, and the proxy in front of them.
        advance: gives a new version its traffic.
    """

    records: Records
    models: Models
    servers: Servers
    advance: Advance

    async def converge(self, serving: ServingName) -> None:
        """Make the serving what its document says.

        Raises:
            SupersededError: a newer intent came; converge again.
            TransientError: something does not answer now; converge again later.
        """
        document = await self.records.read(serving)
        if document is not None and is_untold(document):
            document = await self.records.announce(document)
        if document is None or document.status.phase is ServingPhase.DELETED:
            return
        if document.status.phase is ServingPhase.DELETING:
            await self._delete(serving, document)
        elif document.status.phase is ServingPhase.FAILED or document.status.observed_generation >= document.generation:
            await self._maintain(serving, document)
        else:
            await self._apply(serving, document)

    async def _apply(self, serving: ServingName, document: ServingDocument) -> None:
        """The old variants serve on until the new ones are ready; and for good, if those never are or do not do."""
        with suppress(ServingError):  # an old model that cannot be had any more is no reason not to go on
            await self._keep_old(serving, document)
        try:
            document = await self._begin(document)
            stage = self.servers.scaler.scaled(stage_of(serving, document))
            document = await self._prepare(document, stage)
            await self._start(stage)
            document = await self.advance.to_the_end(document, stage)
        except ServingError as error:
            await self._give_up(serving, document, error)
            return
        await self.servers.stop_superfluous(serving, stage.wanted)
        await self.records.settle(
            document,
            phase=ServingPhase.READY,
            observed_generation=document.generation,
            url=self.servers.url(serving),
            problem=None,
            ready_at=self.records.clock(),
        )

    async def _begin(self, document: ServingDocument) -> ServingDocument:
        """Resolve tags once, so that a tag that moves meanwhile changes nothing; and open the books."""
        document = await self.records.resolved(document, await self.models.resolve(document.spec))
        rollout = document.status.rollout
        if rollout is not None and rollout.generation == document.generation:
            return document
        begun = RolloutStatus(
            generation=document.generation, strategy=document.spec.strategy.type, since=self.records.clock()
        )
        return await self.records.update(document, rollout=begun)

    async def _prepare(self, document: ServingDocument, stage: Stage) -> ServingDocument:
        """Have everything here that the new version needs. Raises ServingError."""
        self.servers.check(stage.wanted)
        latest = document

        async def tell(step: str) -> None:
            nonlocal latest
            latest = await self.records.step(latest, step)

        await self.models.prepare(stage.wanted, tell)
        rollout = latest.status.rollout
        if rollout is None or not rollout.steps:  # else a rollout goes on that someone has steered, or a crash broke
            await tell("models are here; starting model servers")
        return latest

    async def _keep_old(self, serving: ServingName, document: ServingDocument) -> None:
        """Of a rollout that was given up for a newer one nothing gets requests any more."""
        stable = stage_of(serving, document).stable
        rollout, applied = document.status.rollout, document.status.applied
        if not stable or applied is None or isinstance(document.spec.strategy, Recreate):
            return
        await self.servers.start(serving, stable, await self.models.prepare(stable))
        if rollout is None or rollout.generation != document.generation:
            await self.servers.route(Stage(serving, applied, stable))

    async def _start(self, stage: Stage) -> None:
        """Start the new version and wait until it is ready. Raises ServingError."""
        if isinstance(stage.spec.strategy, Recreate) and not same_servers(stage):
            await self.servers.stop_superfluous(stage.serving, stage.wanted)
        await self.servers.start(stage.serving, stage.wanted, await self.models.prepare(stage.wanted))
        await self.servers.until_ready(stage.serving, stage.wanted)

    async def _give_up(self, serving: ServingName, document: ServingDocument, error: ServingError) -> None:
        """What served before gets everything again; what was started in vain is stopped."""
        applied = document.status.applied
        stable = replicas.deployments(applied, document.status.variants)
        if applied is not None:
            with suppress(ServingError):
                await self.servers.start(serving, stable, await self.models.prepare(stable))
            await self.servers.route(Stage(serving, applied, stable))
        latest = await self.records.read(serving)  # steps were recorded since the document was read
        rollout = (latest or document).status.rollout
        if rollout is not None and rollout.generation == document.generation:
            phase = RolloutPhase.ROLLED_BACK if isinstance(error, RolledBackError) else RolloutPhase.FAILED
            changes = {"phase": phase, "weight": 0, "message": str(error), "action": None}
            rollout = rollout.model_copy(update=changes)
        document = await self.records.settle(
            document,
            phase=ServingPhase.FAILED,
            problem=error.problem,
            rollout=rollout,
            variants=self.servers.statuses(Stage(serving, applied, stable)) if applied else (),
        )
        await self.servers.stop_superfluous(serving, stable)

    async def _maintain(self, serving: ServingName, document: ServingDocument) -> None:
        """Nothing new is asked for: keep what was applied running, and the proxy pointed at what is ready."""
        applied = document.status.applied
        if applied is None:
            await self.servers.stop_superfluous(serving, ())
            return
        recorded = Stage(serving, applied, replicas.deployments(applied, document.status.variants))
        stage = self.servers.scaler.scaled(recorded)
        try:
            await self.servers.start(serving, stage.wanted, await self.models.prepare(stage.wanted))
        except ServingError as error:
            await self.records.update(document, problem=error.problem)
            return
        await self.servers.route(stage)
        words = self.servers.last_words(stage)
        await self.records.update(
            document,
            variants=self.servers.statuses(stage),
            url=self.servers.url(serving),  # the ingress may have moved
            problem=_problem(document, words),
        )
        await self.servers.stop_superfluous(serving, stage.wanted)

    async def _delete(self, serving: ServingName, document: ServingDocument) -> None:
        await self.servers.remove(serving)
        await self.records.settle(
            document, phase=ServingPhase.DELETED, variants=(), applied=None, rollout=None, url=None, problem=None
        )


def _problem(document: ServingDocument, last_words: str | None) -> Problem | None:
    """Of a serving that is maintained: why its last generation failed, or that a server of it does not start again."""
    if document.status.phase is ServingPhase.FAILED:
        return document.status.problem
    return Problem(code=MODEL_SERVER_FAILED, message=last_words) if last_words else None
