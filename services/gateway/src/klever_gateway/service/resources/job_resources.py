"""Reconciles ModelJobs of a cluster with the platform's jobs."""

import asyncio
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from klever_gateway.domain.invalid import checked, invalid_field
from klever_gateway.domain.preconditions import request_id
from klever_gateway.domain.resources.conditions import State, refused, unavailable, waiting
from klever_gateway.domain.resources.job_state import DELETED, job_state, job_status
from klever_gateway.domain.resources.resource import Resource, ResourceKind, ResourceName
from klever_gateway.domain.rows import Collection, Row
from klever_gateway.ports import Projection, ResourceStore
from klever_gateway.service.jobs import Jobs
from kleverkit.errors import PermanentError, TransientError
from kleverproto import subjects
from kleverproto.base import StrictWireModel
from kleverproto.custom_resources import ConditionType, ModelJobSpec, ModelJobStatus
from kleverproto.job_ids import job_id
from kleverproto.jobs import JobDocument, JobPhase, JobSpec
from kleverproto.references import DnsLabel

from .deletions import PendingDeletions, is_deleted
from .statuses import Statuses

AGAIN_SECONDS = 300.0
"""Pause before a refused job is requested, or a deletion is looked at again, in case a change was missed."""
FINAL = frozenset(phase.value for phase in JobPhase if phase.is_final)


class _Namespace(StrictWireModel):
    namespace: DnsLabel


@dataclass(frozen=True)
class JobResources:
    """Reconciles one ModelJob at a time.

    The id of the job is written into the status before the job is requested, so that a controller which was killed
    between the two requests the same job again, and no other resource is created for it. ModelJobs for the same work
    have the same job, which is deleted with the last of them.

    Attributes:
        store: the resources.
        statuses: writes statuses.
        jobs: the use cases of the API.
        projection: the platform's jobs.
        deletions: requests for deletions.
    """

    store: ResourceStore
    statuses: Statuses
    jobs: Jobs
    projection: Projection
    deletions: PendingDeletions = field(default_factory=PendingDeletions)
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def reconcile(self, name: ResourceName) -> float | None:
        """Reconcile a resource. Return the number of seconds after which to reconcile it again, or None.

        Raises:
            TransientError: NATS or the cluster is not available.
            PermanentError: the cluster refuses a write.
        """
        resource = self.store.find(name)
        if resource is None:
            return None
        if resource.is_deleting:
            return await self._delete(resource)
        if resource.is_mirror:
            await self._show(resource)
            return None
        if resource.is_accepted:
            await self._report(resource)
            return None
        try:
            spec = await self._specify(resource)
        except PermanentError as error:
            await self._write(resource, _refused(error))
            return AGAIN_SECONDS
        except TransientError as error:
            await self._write(resource, unavailable(error), is_observed=False)
            raise
        async with self._lock(job_id(spec)):
            await self._request(await self._prepare(resource, spec), spec)
        return None

    async def _specify(self, resource: Resource) -> JobSpec:
        """Return the work of a resource: on the bytes that its model named when it was first requested."""
        spec = checked(ModelJobSpec, resource.spec, "spec")
        namespace = checked(_Namespace, {"namespace": resource.name.namespace}, "metadata").namespace
        job = await self.jobs.specify(namespace, spec.model, spec.kind, spec.requested_conversion())
        expected = spec.expected_format
        if expected is not None and job.format is not None and expected.lower() != job.format.lower():
            raise invalid_field("spec.model", f"{spec.model} has the format {job.format}, not {expected}")
        requested = resource.read_status(ModelJobStatus).digest
        return job.model_copy(update={"digest": requested}) if requested is not None else job

    async def _prepare(self, resource: Resource, spec: JobSpec) -> Resource:
        """Record the job that may have been requested, and hold the resource until the job is deleted."""
        if not resource.is_held:
            resource = await self.store.hold(resource)
        status = resource.read_status(ModelJobStatus)
        if status.job:
            return resource
        requested = {"job": job_id(spec), "digest": spec.digest, "requested_generation": resource.generation}
        return await self.store.write_status(resource, status.model_copy(update=requested))

    async def _request(self, resource: Resource, spec: JobSpec) -> None:
        """Request the job of a prepared resource, and write its state."""
        row = await self._row(resource)
        try:
            if row is None or row.hidden or row.event_id != request_id(resource.request_key):
                await self.jobs.request(spec, resource.request_key)
        except TransientError as error:
            await self._write(resource, unavailable(error), is_observed=False)
            raise
        await self._report(resource, is_accepted=True)

    async def _show(self, resource: Resource) -> None:
        """Write the state of a job that no resource has requested. Its resource is deleted with it."""
        row = await self.projection.last(Collection.JOBS, subjects.escape(resource.name.name))
        if row is None or row.columns["namespace"] != resource.name.namespace:
            return
        if row.hidden:
            await self.store.delete(resource)
            return
        if not resource.is_held:
            resource = await self.store.hold(resource)
        status = resource.read_status(ModelJobStatus)
        if not status.job:
            document = _document(row)
            shown = {"job": document.id, "digest": document.spec.digest, "requested_generation": resource.generation}
            resource = await self.store.write_status(resource, status.model_copy(update=shown))
        await self._report(resource, is_accepted=True)

    async def _report(self, resource: Resource, *, is_accepted: bool = False) -> None:
        """Write the state of an accepted resource. A missing job was deleted only if a tombstone proves it."""
        row = await self._row(resource)
        if row is not None and not row.hidden:
            await self._write(resource, job_state(_document(row)), is_accepted=is_accepted)
        elif row is not None and resource.read_status(ModelJobStatus).phase not in FINAL:
            await self._write(resource, DELETED, is_accepted=is_accepted)

    async def _delete(self, resource: Resource) -> float | None:
        """Delete the job of a deleted resource, unless others need it; then let the cluster remove the resource."""
        if not resource.is_held:
            return None
        async with self._lock(resource.job):
            is_gone = not await self._owns_job(resource) or await self._withdraw(resource)
        if not is_gone:
            await self._write(resource, waiting("waiting until the jobrunner has deleted the job"))
            return AGAIN_SECONDS
        await self.store.release(resource)
        self.deletions.forget(resource.uid)
        return None

    async def _owns_job(self, resource: Resource) -> bool:
        """Return whether the job is deleted with the resource: not if another resource or namespace has it as well."""
        row = await self._row(resource)
        if not resource.job or (row is not None and row.columns["namespace"] not in {None, resource.name.namespace}):
            return False
        if row is not None and row.hidden and resource.is_mirror:
            return False
        others = (each for each in self.store.resources(ResourceKind.MODEL_JOB) if each.uid != resource.uid)
        return not any(each.job == resource.job for each in others if not each.is_deleting)

    async def _withdraw(self, resource: Resource) -> bool:
        """Request the deletion of the job. Return whether it is deleted."""
        row = await self._row(resource)
        spec = _document(row).spec if row is not None and row.body else None
        try:
            sequence = await self.deletions.sequence(
                resource.uid, lambda: self.jobs.withdraw(resource.job, spec, resource.deletion_key)
            )
        except TransientError as error:
            await self._write(resource, unavailable(error))
            raise
        return is_deleted(await self._row(resource), sequence)

    def _lock(self, job: str) -> asyncio.Lock:
        """Return the lock of a job: no resource may begin to need it between the check and the request to delete it."""
        return self._locks.setdefault(job, asyncio.Lock())

    async def _write(
        self, resource: Resource, state: State, *, is_accepted: bool = False, is_observed: bool = True
    ) -> None:
        row = await self._row(resource)
        document = _document(row) if row is not None and not row.hidden else None
        status = job_status(resource, state, self.statuses.clock(), document=document, is_accepted=is_accepted)
        if not is_observed:
            previous = resource.read_status(ModelJobStatus)
            status = status.model_copy(update={"observed_generation": previous.observed_generation})
        await self.statuses.write(resource, status)

    async def _row(self, resource: Resource) -> Row | None:
        """Return the row of the resource's job; None if it is not known, or the resource has none."""
        return await self.projection.last(Collection.JOBS, subjects.escape(resource.job)) if resource.job else None


def _document(row: Row) -> JobDocument:
    return JobDocument.model_validate_json(row.body)


def _refused(error: PermanentError) -> State:
    """Return the state of a refused ModelJob, which has failed."""
    return refused(error, {ConditionType.COMPLETE: False, ConditionType.FAILED: True})
