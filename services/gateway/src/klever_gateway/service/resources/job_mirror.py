"""Shows jobs that no ModelJob has requested as ModelJobs."""

from dataclasses import dataclass

import structlog

from klever_gateway.domain.resources.resource import ResourceKind, ResourceName
from klever_gateway.domain.rows import Collection
from klever_gateway.ports import Projection, ResourceStore
from kleverkit.errors import PermanentError
from kleverproto.custom_resources import ORIGIN_LABEL, PLATFORM_ORIGIN, model_job_spec
from kleverproto.jobs import JobDocument

REFUSED_SECONDS = 600.0
"""Pause before a job is shown again that the cluster refuses, such as in a namespace that does not exist."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class JobMirror:
    """Creates a ModelJob for each job that has none.

    The ModelJob has the name of the job's id, so that it is created once. A ModelJob that requests a job has the job's
    id in its status before it makes the request, so that no second one is created.

    Attributes:
        store: the resources.
        projection: the platform's jobs.
    """

    store: ResourceStore
    projection: Projection

    async def show(self, key: str) -> float | None:
        """Show the job with a key, if it exists. Return the number of seconds after which to try again, or None.

        Raises TransientError if the cluster does not respond.
        """
        row = await self.projection.get(Collection.JOBS, key)
        if row is None or row.accepted:
            return None
        document = JobDocument.model_validate_json(row.body)
        name = ResourceName(ResourceKind.MODEL_JOB, document.spec.namespace, document.id)
        if self.store.find(name) is not None or self._is_shown(document.id) or not self.store.manages(name.namespace):
            return None
        try:
            await self.store.create(name, model_job_spec(document.spec), {ORIGIN_LABEL: PLATFORM_ORIGIN})
        except PermanentError as error:
            log.warning("job is not shown as a ModelJob", job=document.id, error=str(error))
            return REFUSED_SECONDS
        return None

    def _is_shown(self, job: str) -> bool:
        return any(each.job == job for each in self.store.resources(ResourceKind.MODEL_JOB))
