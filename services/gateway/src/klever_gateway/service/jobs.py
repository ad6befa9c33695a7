"""Requests for jobs."""

from dataclasses import replace

from klever_gateway.domain.rows import Collection, Row, job_row
from klever_gateway.errors import JobFinishedError, JobNotRetriableError
from kleverproto import subjects
from kleverproto.conversions import Conversion
from kleverproto.job_ids import job_id
from kleverproto.jobs import (
    JobCancelRequested,
    JobDeleteRequested,
    JobDocument,
    JobKind,
    JobPhase,
    JobRequested,
    JobSpec,
    JobStatus,
)
from kleverproto.references import ModelRef

from .reading import Reading
from .versions import Versions
from .writing import Writing, Written


class Jobs:
    """Accepts requests for jobs; the jobrunner runs them.

    All methods raise TransientError when the request could not be stored.
    """

    def __init__(self, writing: Writing, versions: Versions, reading: Reading) -> None:
        self._writing = writing
        self._versions = versions
        self._reading = reading

    async def create(self, namespace: str, ref: str, kind: JobKind, conversion: Conversion | None = None) -> Written:
        """Requests a job on a model version; the same work on the same bytes is the same job.

        Raises:
            InvalidRequestError: the version does not exist; or it would be converted, and its project blocks that,
                or it cannot be.
        """
        converts = kind is JobKind.CONVERT
        version = await (self._versions.get_convertible if converts else self._versions.get)(ModelRef.parse(ref), "ref")
        spec = JobSpec(
            kind=kind,
            namespace=namespace,
            ref=version.spec.ref,
            digest=version.spec.digest,
            registry=version.spec.registry,
            format=version.format,
            conversion=conversion,
        )
        event = self._writing.event(JobRequested(id=job_id(spec), spec=spec))
        key = subjects.escape(event.data.id)
        present = await self._writing.projection.get(Collection.JOBS, key)
        now = self._writing.clock()
        new = JobDocument(id=event.data.id, spec=spec, status=JobStatus(), created_at=now, updated_at=now)
        row = job_row(key, 0, new, accepted=True) if present is None or present.ending else present
        return await self._writing.submit(event, Collection.JOBS, row)

    async def cancel(self, namespace: str, wanted: str) -> Written:
        """Requests that a job be cancelled; it may still finish first.

        Raises:
            NotFoundError: there is no such job.
            JobFinishedError: it has finished.
        """
        row, document = await self._find_job(namespace, wanted)
        if document.status.phase.is_final:
            raise JobFinishedError(f"job {wanted} has finished as {document.status.phase}: there is nothing to cancel")
        event = self._writing.event(JobCancelRequested(id=wanted, spec=document.spec))
        return await self._writing.submit(event, Collection.JOBS, replace(row, event_id=event.id))

    async def retry(self, namespace: str, wanted: str) -> Written:
        """Requests that a job which failed or was cancelled be run again.

        Raises:
            NotFoundError: there is no such job.
            JobNotRetriableError: it has not finished, or has succeeded.
        """
        row, document = await self._find_job(namespace, wanted)
        phase = document.status.phase
        if phase is JobPhase.SUCCEEDED or not phase.is_final:
            raise JobNotRetriableError(f"job {wanted} is {phase}: only one that failed or was cancelled can be retried")
        event = self._writing.event(JobRequested(id=wanted, spec=document.spec, again=True))
        generation, now = document.generation + 1, self._writing.clock()
        pending = document.replace(status=JobStatus(), generation=generation, updated_at=now)
        return await self._writing.submit(
            event, Collection.JOBS, job_row(row.key, row.revision, pending, accepted=True)
        )

    async def delete(self, namespace: str, wanted: str) -> Written:
        """Requests that a job be deleted, and cancelled if it is running. Raises NotFoundError."""
        row, document = await self._find_job(namespace, wanted)
        event = self._writing.event(JobDeleteRequested(id=wanted, spec=document.spec))
        return await self._writing.submit(event, Collection.JOBS, replace(row, ending=True))

    async def _find_job(self, namespace: str, wanted: str) -> tuple[Row, JobDocument]:
        row = await self._reading.job(namespace, wanted)
        return row, JobDocument.model_validate_json(row.body)
