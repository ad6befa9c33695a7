"""The jobs that resources request."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakValueDictionary

from klever_gateway.domain.invalid import checked, invalid_field
from klever_gateway.domain.resources.conditions import State, refused
from klever_gateway.domain.resources.job_state import DELETED, job_state, job_status
from klever_gateway.domain.resources.resource import Resource, ResourceKind
from klever_gateway.domain.rows import Collection, Row
from klever_gateway.ports import Projection, ResourceStore
from klever_gateway.service.jobs import Jobs
from kleverkit.errors import PermanentError
from kleverproto import subjects
from kleverproto.base import StrictWireModel
from kleverproto.custom_resources import ConditionType, ModelJobSpec, ModelJobStatus
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobPhase, JobSpec
from kleverproto.references import DnsLabel

FINAL = frozenset(phase.value for phase in JobPhase if phase.is_final)


class _Namespace(StrictWireModel):
    namespace: DnsLabel


@dataclass(frozen=True)
class RequestedJobs:
    """See `RequestedDocuments`.

    ModelJobs for the same work have the same job, which is deleted with the last of them. The recorded id of the job
    prevents that another resource is created for it.

    Attributes:
        store: the resources.
        jobs: the use cases of the API.
        projection: the platform's jobs.
    """

    store: ResourceStore
    jobs: Jobs
    projection: Projection
    waits_for: str = "the jobrunner has deleted the job"
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def find_row(self, resource: Resource) -> Row | None:
        """See `RequestedDocuments`."""
        return await self.projection.last(Collection.JOBS, subjects.escape(resource.job)) if resource.job else None

    async def check(self, resource: Resource) -> JobSpec:
        """See `RequestedDocuments`. The work is on the bytes that the model named when it was first requested."""
        spec = checked(ModelJobSpec, resource.spec, "spec")
        namespace = checked(_Namespace, {"namespace": resource.name.namespace}, "metadata").namespace
        job = await self.jobs.specify(namespace, spec.model, spec.kind, spec.requested_conversion())
        expected = spec.expected_format
        if expected is not None and job.format is not None and expected.lower() != job.format.lower():
            raise invalid_field("spec.model", f"{spec.model} has the format {job.format}, not {expected}")
        requested = resource.read_status(ModelJobStatus).digest
        return job.model_copy(update={"digest": requested}) if requested is not None else job

    def record(self, resource: Resource, spec: JobSpec) -> ModelJobStatus:
        """See `RequestedDocuments`."""
        status = resource.read_status(ModelJobStatus)
        if status.job:
            return status
        requested = {"job": job_id(spec), "digest": spec.digest, "requested_generation": resource.generation}
        return status.model_copy(update=requested)

    async def submit(self, resource: Resource, spec: JobSpec) -> int:
        """See `RequestedDocuments`."""
        async with self._lock(resource.job):
            return (await self.jobs.request(spec, resource.request_key)).generation

    async def withdraw(self, resource: Resource) -> int | None:
        """See `RequestedDocuments`."""
        async with self._lock(resource.job):
            row = await self.find_row(resource)
            if not self._owns_job(resource, row):
                return None
            spec = _document(row).spec if row is not None and row.body else None
            return await self.jobs.withdraw(resource.job, spec, resource.deletion_key)

    def state(self, resource: Resource, row: Row, _accepted: int | None) -> State | None:
        """See `RequestedDocuments`."""
        if not row.hidden:
            return job_state(_document(row))
        return DELETED if resource.read_status(ModelJobStatus).phase not in FINAL else None

    def refused(self, error: PermanentError) -> State:
        """See `RequestedDocuments`. A refused ModelJob has failed."""
        return refused(error, {ConditionType.COMPLETE: False, ConditionType.FAILED: True})

    def status(
        self, resource: Resource, state: State, row: Row | None, accepted: int | None, now: datetime
    ) -> ModelJobStatus:
        """See `RequestedDocuments`."""
        document = _document(row) if row is not None else None
        return job_status(resource, state, now, document=document, is_accepted=accepted is not None)

    def _owns_job(self, resource: Resource, row: Row | None) -> bool:
        """Return whether the job is deleted with the resource: not if another resource or namespace has it as well."""
        if not resource.job or (row is not None and row.columns["namespace"] not in {None, resource.name.namespace}):
            return False
        if row is not None and row.hidden and resource.is_mirror:
            return False
        others = (each for each in self.store.resources(ResourceKind.MODEL_JOB) if each.uid != resource.uid)
        return not any(each.job == resource.job for each in others if not each.is_deleting)

    def _lock(self, job: str) -> asyncio.Lock:
        """Return the lock of a job.

        No resource that has recorded the job may request it between the check for such resources and the request to
        delete it, because the job would be deleted.
        """
        return self._locks.setdefault(job, asyncio.Lock())


def _document(row: Row) -> JobDocument:
    return JobDocument.model_validate_json(row.body)
