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

from .reader import Reader
from .submitter import Accepted, Submitter
from .versions import Versions


class Jobs:
    """Accepts requests for jobs. The jobrunner runs them.

    All methods raise TransientError if the request cannot be stored.
    """

    def __init__(self, submitter: Submitter, versions: Versions, reader: Reader) -> None:
        self._submitter = submitter
        self._versions = versions
        self._reader = reader

    async def create(self, namespace: str, ref: str, kind: JobKind, conversion: Conversion | None = None) -> Accepted:
        """Request a job on a model version. The same work on the same bytes is the same job.

        Raises:
            InvalidRequestError: see `specify`.
        """
        return await self.request(await self.specify(namespace, ref, kind, conversion))

    async def specify(self, namespace: str, ref: str, kind: JobKind, conversion: Conversion | None = None) -> JobSpec:
        """Return the spec of a job on the present bytes of a model version.

        Raises:
            InvalidRequestError: the version does not exist; or it is to be converted, but the policy of its project
                or its format does not permit that.
        """
        converts = kind is JobKind.CONVERT
        version = await (self._versions.get_convertible if converts else self._versions.get)(ModelRef.parse(ref), "ref")
        return JobSpec(
            kind=kind,
            namespace=namespace,
            ref=version.spec.ref,
            digest=version.spec.digest,
            registry=version.spec.registry,
            format=version.format,
            conversion=conversion,
        )

    async def request(self, spec: JobSpec, key: str | None = None) -> Accepted:
        """Request a job. Requests with the same key are the same request; None: each request is a new one."""
        event = self._submitter.repeatable_event(JobRequested(id=job_id(spec), spec=spec), key)
        row_key = subjects.escape(event.data.id)
        present = await self._submitter.projection.get(Collection.JOBS, row_key)
        now = self._submitter.clock()
        new = JobDocument(id=event.data.id, spec=spec, status=JobStatus(), created_at=now, updated_at=now)
        row = job_row(row_key, 0, new, accepted=True) if present is None or present.ending else present
        return await self._submitter.submit(event, Collection.JOBS, row)

    async def cancel(self, namespace: str, identifier: str) -> Accepted:
        """Request the cancellation of a job. The job may still finish first.

        Raises:
            NotFoundError: the job does not exist.
            JobFinishedError: the job has finished.
        """
        row, document = await self._find_job(namespace, identifier)
        if document.status.phase.is_final:
            raise JobFinishedError(
                f"job {identifier} has finished as {document.status.phase}: there is nothing to cancel"
            )
        event = self._submitter.event(JobCancelRequested(id=identifier, spec=document.spec))
        return await self._submitter.submit(event, Collection.JOBS, replace(row, event_id=event.id))

    async def retry(self, namespace: str, identifier: str) -> Accepted:
        """Request another run of a job that failed or was cancelled.

        Raises:
            NotFoundError: the job does not exist.
            JobNotRetriableError: the job has not finished, or has succeeded.
        """
        row, document = await self._find_job(namespace, identifier)
        phase = document.status.phase
        if phase is JobPhase.SUCCEEDED or not phase.is_final:
            raise JobNotRetriableError(f"job {identifier} is {phase}: only a failed or cancelled job can be retried")
        event = self._submitter.event(JobRequested(id=identifier, spec=document.spec, again=True))
        generation, now = document.generation + 1, self._submitter.clock()
        pending = document.replace(status=JobStatus(), generation=generation, updated_at=now)
        return await self._submitter.submit(
            event, Collection.JOBS, job_row(row.key, row.revision, pending, accepted=True)
        )

    async def delete(self, namespace: str, identifier: str) -> Accepted:
        """Request the deletion of a job. A running job is cancelled first. Raises NotFoundError."""
        row, document = await self._find_job(namespace, identifier)
        event = self._submitter.event(JobDeleteRequested(id=identifier, spec=document.spec))
        return await self._submitter.submit(event, Collection.JOBS, replace(row, ending=True))

    async def withdraw(self, identifier: str, spec: JobSpec | None, key: str) -> int:
        """Request the deletion of a job, even if the job's own request has not been handled yet.

        Args:
            identifier: the id of the job.
            spec: the work, if it is known.
            key: requests with the same key are the same request.

        Returns:
            The sequence of the request in its stream.
        """
        event = self._submitter.repeatable_event(JobDeleteRequested(id=identifier, spec=spec), key)
        return await self._submitter.requests.store(event)

    async def _find_job(self, namespace: str, identifier: str) -> tuple[Row, JobDocument]:
        row = await self._reader.job(namespace, identifier)
        return row, JobDocument.model_validate_json(row.body)
