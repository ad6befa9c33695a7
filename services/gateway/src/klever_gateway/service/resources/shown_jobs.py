"""Reconciles ModelJobs that show jobs of other clients of the API."""

from dataclasses import dataclass

from klever_gateway.domain.resources.resource import Resource, ResourceName
from klever_gateway.domain.rows import Collection
from klever_gateway.ports import Projection, ResourceStore
from kleverproto import subjects
from kleverproto.jobs import JobDocument, JobSpec

from .reconciler import Reconciler


@dataclass(frozen=True)
class ShownJobs:
    """Reconciles ModelJobs. Those that show a job make no request; `JobMirror` creates them.

    Attributes:
        store: the resources.
        projection: the platform's jobs.
        reconciler: reconciles ModelJobs that request a job.
    """

    store: ResourceStore
    projection: Projection
    reconciler: Reconciler[JobSpec]

    async def reconcile(self, name: ResourceName) -> float | None:
        """See `Reconciler`."""
        resource = self.store.find(name)
        if resource is None or resource.is_deleting or not resource.is_mirror:
            return await self.reconciler.reconcile(name)
        await self._show(resource)
        return None

    async def _show(self, resource: Resource) -> None:
        """Write the state of a job that no resource has requested. Its resource is deleted with it."""
        row = await self.projection.last(Collection.JOBS, subjects.escape(resource.name.name))
        if row is None or row.columns["namespace"] != resource.name.namespace:
            return
        if row.hidden:
            await self.store.delete(resource)
            return
        document = JobDocument.model_validate_json(row.body)
        await self.reconciler.show(resource, document.spec, document.generation)
