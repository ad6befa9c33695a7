"""Records the outcomes of extract and scan jobs."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import Histogram

from klever_registry.domain import catalogue
from klever_registry.domain.catalogue import AttachedSignature, Extraction
from klever_registry.errors import StorageFullError
from klever_registry.ports import SignatureStore
from kleverkit.documents import Stored
from kleverkit.metrics import observe
from kleverproto.documents import Intent, Tombstone
from kleverproto.envelope import Event
from kleverproto.jobs import JobCompleted, JobFailed, JobKind, JobSpec
from kleverproto.models import ExtractionPhase, ModelDocument, ModelUpdated
from kleverproto.references import ModelRef
from kleverproto.scans import Scan
from kleverproto.signatures import Signature

from .records import Records

log = structlog.get_logger(__name__)

Change = Callable[[ModelDocument | None, datetime], ModelDocument | None]
"""Returns the version after an outcome; None if nothing changes."""


async def _attach(
    store: SignatureStore, repository: str, digest: str, signature: Signature
) -> AttachedSignature | None:
    """Attach a signature to its model. If the disk is full, only the catalogue gets it."""
    try:
        return await store.attach(repository, digest, signature)
    except StorageFullError as error:
        log.warning("signature not attached", repository=repository, digest=digest, error=str(error))
        return AttachedSignature(signature, None)


class Extractions:
    """Stores the outcomes of extract and scan jobs in the registries and in the catalogue.

    Args:
        records: the catalogue and its events.
        signatures: signatures of the embedded registry, also for jobs with its earlier addresses.
        external: signatures of external registries, by host.
        push_to_servable: measures the time from the push of a version to the result of its parsing.
    """

    def __init__(
        self,
        *,
        records: Records,
        signatures: SignatureStore,
        external: Mapping[str, SignatureStore],
        push_to_servable: Histogram,
    ) -> None:
        self._records = records
        self._push_to_servable = push_to_servable
        self._embedded = signatures
        self._external = external

    async def record_result(self, event: Event[JobCompleted], outcome: Intent) -> None:
        """Store a result, and publish the update of every version with these bytes. Raises TransientError."""
        job = event.data
        if job.spec.kind is JobKind.EXTRACT and job.result.signature is not None:
            store, ref = self._signatures(job.spec), job.spec.ref
            attached = await _attach(store, ref.repository, job.spec.digest, job.result.signature)
            if attached is not None:
                extraction = Extraction(job.id, attached=attached, scan=job.result.scan)
                await self._extracted(event, job.spec, extraction, outcome)
        elif job.spec.kind is JobKind.SCAN and job.result.scan is not None:
            await self._scanned(event, job.spec, job.result.scan, outcome)

    async def record_failure(self, event: Event[JobFailed], outcome: Intent) -> None:
        """Store the problem, and publish the update of every version with these bytes. Raises TransientError."""
        job = event.data
        if job.spec.kind is JobKind.EXTRACT:
            scan = job.result.scan if job.result else None
            await self._extracted(event, job.spec, Extraction(job.id, problem=job.problem, scan=scan), outcome)

    def _signatures(self, job: JobSpec) -> SignatureStore:
        return self._external.get(job.registry, self._embedded)

    async def _extracted(self, cause: Event[Any], job: JobSpec, extraction: Extraction, outcome: Intent) -> None:
        def change(present: ModelDocument | None, now: datetime) -> ModelDocument | None:
            return catalogue.extracted(present, job.digest, extraction, outcome, now=now)

        await self._record(cause, job, change)

    async def _scanned(self, cause: Event[Any], job: JobSpec, scan: Scan, outcome: Intent) -> None:
        def change(present: ModelDocument | None, now: datetime) -> ModelDocument | None:
            return catalogue.scanned(present, job.digest, scan, outcome, now=now)

        await self._record(cause, job, change)

    async def _record(self, cause: Event[Any], job: JobSpec, change: Change) -> None:
        """Change and publish all versions. A redelivery publishes the same event ids, so that the stream drops them."""
        tags = await self._signatures(job).tags_of(job.ref.repository, job.digest)
        for tag in tags:
            ref = job.ref.with_version(tag)
            if changed := await self._set(ref, job.digest, change):
                await self._records.publisher.publish(self._updated(cause, changed))

    async def _set(self, ref: ModelRef, digest: str, change: Change) -> ModelDocument | None:
        """Change a version of the catalogue and return it; None if it has another digest."""
        now, before = self._records.clock(), ExtractionPhase.PENDING

        def decide(known: ModelDocument | Tombstone[ModelDocument] | None) -> ModelDocument | None:
            nonlocal before
            present = None if isinstance(known, Tombstone) else known
            before = present.status.extraction if present else ExtractionPhase.PENDING
            return change(present, now)

        stored = await self._records.change(ref.key, decide)
        if not isinstance(stored, Stored) or stored.document.spec.digest != digest:
            return None
        if before is ExtractionPhase.PENDING:  # a redelivered outcome changes nothing
            self._measure(stored.document, now)
        return stored.document

    def _measure(self, document: ModelDocument, now: datetime) -> None:
        status = document.status
        if status.extraction is not ExtractionPhase.PENDING and status.history:
            seconds = (now - status.history[-1].pushed_at).total_seconds()
            observe(self._push_to_servable.labels(status.extraction.lower()), max(0.0, seconds))

    def _updated(self, cause: Event[Any], document: ModelDocument) -> Event[ModelUpdated]:
        spec, status = document.spec, document.status
        data = ModelUpdated(
            ref=spec.ref, digest=spec.digest, extraction=status.extraction, problem=status.problem, scan=status.scan
        )
        return self._records.events.caused_by(cause, data, str(spec.ref))
