"""One pass over a serving: look at what is asked for and at what is, take the steps that are missing, record each.

Every pass may be the first after a crash, so it trusts nothing but the document, the processes and the proxy.
"""

import asyncio
from dataclasses import dataclass

from klever_deployer import domain
from klever_deployer.domain import LocalModel, ServingName
from klever_deployer.errors import MODEL_SERVER_FAILED, ServingError
from klever_deployer.ports import DataPlane, Workloads
from kleverproto.servings import (
    ServingDeleted,
    ServingDocument,
    ServingFailed,
    ServingPhase,
    ServingProgressed,
    ServingReady,
    TrafficShifted,
    VariantStatus,
)

from .models import Models
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
        try:
            variants, models = await self._prepare(document)
            document = await self._step(document, "models are here; starting model servers")
            await self._start(serving, variants, models)
        except ServingError as error:
            await self._fail(serving, document, error)
            return
        document = await self._step(document, "model servers are ready; shifting traffic")
        await self.data_plane.apply(domain.route(serving, variants, self.workloads.states()))
        document = await self._shifted(serving, document, variants)
        await self._stop_superfluous(serving, document)
        await self._ready(serving, document)

    async def _prepare(self, document: ServingDocument) -> tuple[tuple[VariantStatus, ...], dict[str, LocalModel]]:
        variants = await self.models.resolve(document.spec)
        return variants, await self.models.fetch(variants)

    async def _start(
        self, serving: ServingName, variants: tuple[VariantStatus, ...], models: dict[str, LocalModel]
    ) -> None:
        """Start what is missing and wait until all of it is ready. Raises ServingError."""
        specs = domain.replica_specs(serving, variants, models)
        for spec in specs:
            await self.workloads.start(spec)
        wanted = {spec.key for spec in specs}
        try:
            async with asyncio.timeout(self.ready_timeout):
                while not self._all_ready(wanted):  # noqa: ASYNC110 - replicas tell one listener only, the reconciler
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            message = f"a model server of {serving} was not ready after {self.ready_timeout:g} s"
            raise ServingError(message, code=MODEL_SERVER_FAILED) from error

    def _all_ready(self, wanted: set[domain.ReplicaKey]) -> bool:
        states = [state for state in self.workloads.states() if state.key in wanted]
        for state in states:
            if state.failure is not None:
                raise ServingError(
                    f"the model server of variant {state.key.variant} does not start; its log ends: {state.failure}",
                    code=MODEL_SERVER_FAILED,
                )
        return len(states) == len(wanted) and all(state.ready for state in states)

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
        url = domain.infer_url(self.ingress_url, serving)
        document = await self.records.update(
            document,
            phase=ServingPhase.READY,
            observed_generation=document.generation,
            url=url,
            step="ready",
            problem=None,
            ready_at=self.records.clock(),
        )
        variants = document.status.variants
        await self.records.tell(
            document,
            ServingReady(
                namespace=serving.namespace,
                name=serving.name,
                generation=document.generation,
                url=url,
                variants=variants,
            ),
        )

    async def _fail(self, serving: ServingName, document: ServingDocument, error: ServingError) -> None:
        """What served before still serves; what was started in vain is stopped."""
        document = await self.records.update(document, phase=ServingPhase.FAILED, problem=error.problem, step="failed")
        await self._stop_superfluous(serving, document)
        names = {"namespace": serving.namespace, "name": serving.name}
        await self.records.tell(document, ServingFailed(**names, generation=document.generation, problem=error.problem))

    async def _maintain(self, serving: ServingName, document: ServingDocument) -> None:
        """Nothing new is asked for: keep what was applied running, and the proxy pointed at what is ready."""
        applied = document.status.variants
        try:
            models = await self.models.fetch(applied)
        except ServingError as error:
            await self.records.update(document, problem=error.problem)
            return
        for spec in domain.replica_specs(serving, applied, models):
            await self.workloads.start(spec)
        states = self.workloads.states()
        if applied:
            await self.data_plane.apply(domain.route(serving, applied, states))
        await self.records.update(document, variants=domain.counted(serving, applied, states))
        await self._stop_superfluous(serving, document)

    async def _delete(self, serving: ServingName, document: ServingDocument) -> None:
        await self.data_plane.remove(serving)
        for state in self.workloads.states():
            if state.key.serving == serving:
                await self.workloads.stop(state.key)
        document = await self.records.update(
            document, phase=ServingPhase.DELETED, variants=(), url=None, step="deleted", problem=None
        )
        await self.records.tell(document, ServingDeleted(namespace=serving.namespace, name=serving.name))

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
