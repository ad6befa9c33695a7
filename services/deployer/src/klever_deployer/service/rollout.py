"""One pass over a serving: look at what is asked for and at what is, take the steps that are missing, record each.

Every pass may be the first after a crash, so it trusts nothing but the document, the processes and the proxy.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from klever_deployer import domain
from klever_deployer.domain import ServingName
from klever_deployer.errors import MODEL_SERVER_FAILED, ServingError
from klever_deployer.ports import DataPlane, Workloads
from kleverproto.documents import Problem
from kleverproto.servings import (
    ServingDocument,
    ServingPhase,
    ServingProgressed,
    TrafficShifted,
    VariantStatus,
)

from .models import Models
from .outcomes import is_untold
from .records import Records

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Rollout:
    """Applies servings.

    Args:
        records: documents and events.
        models: what variants serve.
        workloads: model servers.
        data_plane: the proxy.
        ingress_url: how clients reach the proxy.
        ready_timeout: seconds a model server may take to be ready.
    """

    records: Records
    models: Models
    workloads: Workloads
    data_plane: DataPlane
    ingress_url: str
    ready_timeout: float

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
        """The old variants serve on until the new ones are ready; and for good, if those never are."""
        with suppress(ServingError):  # an old model that cannot be had any more is no reason not to go on
            await self._start(serving, document.status.variants)
        try:
            variants = await self.models.resolve(document.spec)
            await self.models.fetch(variants)
            document = await self._step(document, "models are here; starting model servers")
            await self._start(serving, variants)
            await self._until_ready(serving, variants)
        except ServingError as error:
            await self._fail(serving, document, error)
            return
        document = await self._step(document, "model servers are ready; shifting traffic")
        await self.data_plane.apply(domain.route(serving, variants, self.workloads.states()))
        document = await self._shifted(serving, document, variants)
        await self._stop_superfluous(serving, document)
        await self._ready(serving, document)

    async def _start(self, serving: ServingName, variants: tuple[VariantStatus, ...]) -> None:
        """Start what is missing; what runs is adopted, and watched from now on. Raises ServingError."""
        models = await self.models.fetch(variants)
        for spec in domain.replica_specs(serving, variants, models):
            await self.workloads.start(spec)

    async def _until_ready(self, serving: ServingName, variants: tuple[VariantStatus, ...]) -> None:
        """Raises ServingError where that will not be."""
        try:
            async with asyncio.timeout(self.ready_timeout):
                while not self._all_ready(serving, variants):  # noqa: ASYNC110 - only the reconciler hears of changes
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            message = f"a model server of {serving} was not ready after {self.ready_timeout:g} s"
            raise ServingError(message, code=MODEL_SERVER_FAILED) from error

    def _all_ready(self, serving: ServingName, variants: tuple[VariantStatus, ...]) -> bool:
        states = self.workloads.states()
        if (words := domain.last_words(serving, variants, states)) is not None:
            raise ServingError(words, code=MODEL_SERVER_FAILED)
        counted = domain.counted(serving, variants, states)
        return all(variant.ready_replicas == variant.replicas for variant in counted)

    async def _shifted(
        self, serving: ServingName, document: ServingDocument, variants: tuple[VariantStatus, ...]
    ) -> ServingDocument:
        """Record what serves now, before anything of the old is stopped."""
        applied = domain.counted(serving, variants, self.workloads.states())
        document = await self.records.update(document, variants=applied, step="traffic shifted")
        weights = {variant.name: variant.weight for variant in applied}
        names = {"namespace": serving.namespace, "name": serving.name}
        await self.records.tell(document, TrafficShifted(**names, generation=document.generation, weights=weights))
        return document

    async def _ready(self, serving: ServingName, document: ServingDocument) -> None:
        await self.records.settle(
            document,
            phase=ServingPhase.READY,
            observed_generation=document.generation,
            url=domain.infer_url(self.ingress_url, serving),
            problem=None,
            ready_at=self.records.clock(),
        )

    async def _fail(self, serving: ServingName, document: ServingDocument, error: ServingError) -> None:
        """What served before still serves; what was started in vain is stopped."""
        document = await self.records.settle(document, phase=ServingPhase.FAILED, problem=error.problem)
        await self._stop_superfluous(serving, document)

    async def _maintain(self, serving: ServingName, document: ServingDocument) -> None:
        """Nothing new is asked for: keep what was applied running, and the proxy pointed at what is ready."""
        applied = document.status.variants
        try:
            await self._start(serving, applied)
        except ServingError as error:
            await self.records.update(document, problem=error.problem)
            return
        states = self.workloads.states()
        if applied:
            await self.data_plane.apply(domain.route(serving, applied, states))
        problem = _problem(document, domain.last_words(serving, applied, states))
        await self.records.update(
            document,
            variants=domain.counted(serving, applied, states),
            url=domain.infer_url(self.ingress_url, serving) if applied else None,  # the ingress may have moved
            problem=problem,
        )
        await self._stop_superfluous(serving, document)

    async def _delete(self, serving: ServingName, document: ServingDocument) -> None:
        await self.data_plane.remove(serving)
        for state in self.workloads.states():
            if state.key.serving == serving:
                await self.workloads.stop(state.key)
        await self.records.settle(document, phase=ServingPhase.DELETED, variants=(), url=None, problem=None)

    async def _stop_superfluous(self, serving: ServingName, document: ServingDocument) -> None:
        for key in domain.superfluous(serving, document.status.variants, self.workloads.states()):
            await self.workloads.stop(key)

    async def _step(self, document: ServingDocument, step: str) -> ServingDocument:
        document = await self.records.update(document, phase=ServingPhase.PROGRESSING, step=step)
        progressed = ServingProgressed(
            namespace=document.namespace, name=document.name, generation=document.generation, step=step
        )
        await self.records.tell(document, progressed, step)
        return document


def _problem(document: ServingDocument, last_words: str | None) -> Problem | None:
    """Of a serving that is maintained: why its last generation failed, or that a server of it does not start again."""
    if document.status.phase is ServingPhase.FAILED:
        return document.status.problem
    return Problem(code=MODEL_SERVER_FAILED, message=last_words) if last_words else None
