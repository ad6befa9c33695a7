"""What the registry does when a job has parsed a model."""

from collections.abc import Mapping
from typing import Any

from klever_registry.domain import catalogue
from klever_registry.domain.catalogue import Extraction
from klever_registry.ports import SignatureStore
from kleverkit.documents import mutate
from kleverproto.envelope import Event
from kleverproto.jobs import JobCompleted, JobFailed, JobKind, JobSpec
from kleverproto.models import ModelUpdated
from kleverproto.references import ModelRef

from .records import Records


class Extractions:
    """Brings the outcome of extract jobs into the registries and the catalogue.

    Args:
        records: the catalogue, and where events go.
        signatures: those of the embedded registry, under whatever address it had when the job began.
        external: those of other registries, by host.
    """

    def __init__(self, *, records: Records, signatures: SignatureStore, external: Mapping[str, SignatureStore]) -> None:
        self._records = records
        self._embedded = signatures
        self._external = external

    async def completed(self, event: Event[JobCompleted]) -> None:
        """A signature was found: attach it, and tell of every version with these bytes. Raises TransientError."""
        job = event.data
        if job.spec.kind is not JobKind.EXTRACT or job.result.signature is None:
            return
        attached = await self._signatures(job.spec).attach(
            job.spec.ref.repository, job.spec.digest, job.result.signature
        )
        if attached is not None:
            await self._record(event, job.spec, Extraction(job.id, attached=attached))

    async def failed(self, event: Event[JobFailed]) -> None:
        """The model could not be parsed: say why at every version with these bytes. Raises TransientError."""
        job = event.data
        if job.spec.kind is JobKind.EXTRACT:
            await self._record(event, job.spec, Extraction(job.id, problem=job.problem))

    def _signatures(self, job: JobSpec) -> SignatureStore:
        return self._external.get(job.registry, self._embedded)

    async def _record(self, cause: Event[Any], job: JobSpec, extraction: Extraction) -> None:
        """All versions are told of again on a second delivery: the ids are the same, so the stream drops them."""
        tags = await self._signatures(job).tags_of(job.ref.repository, job.digest)
        for tag in tags:
            ref = job.ref.model_copy(update={"version": tag})
            if await self._set(ref, job.digest, extraction):
                await self._records.publisher.publish(self._updated(cause, ref, job.digest, extraction))

    async def _set(self, ref: ModelRef, digest: str, extraction: Extraction) -> bool:
        """Whether the catalogue's version has these bytes, and now says so."""
        now = self._records.clock()
        stored = await mutate(
            self._records.documents, ref.key, lambda present: catalogue.extracted(present, digest, extraction, now=now)
        )
        return stored is not None and stored.document.spec.digest == digest

    def _updated(self, cause: Event[Any], ref: ModelRef, digest: str, extraction: Extraction) -> Event[ModelUpdated]:
        data = ModelUpdated(ref=ref, digest=digest, extraction=extraction.phase, problem=extraction.problem)
        return self._records.events.caused_by(cause, data, str(ref))
