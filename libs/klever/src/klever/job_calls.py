"""The methods of the SDK for jobs."""

from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import quote

from kleverproto.conversions import Conversion
from kleverproto.envelope import Event
from kleverproto.jobs import JobDocument, JobKind
from kleverproto.references import ModelRef

from .answers import parse_events
from .calls import Calls


class JobCalls(Calls):
    """Operations on jobs."""

    async def jobs(self, /, namespace: str = "default", **filters: str) -> list[JobDocument]:
        """List the jobs of a namespace. Raises ApiError."""
        return await self._list(f"/namespaces/{quote(namespace, safe='')}/modeljobs", JobDocument, filters)

    async def job(self, job_id: str, namespace: str = "default") -> JobDocument:
        """Get a job. Raises ApiError."""
        return await self._get(_job_path(namespace, job_id), JobDocument)

    async def job_events(self, job_id: str, namespace: str = "default") -> list[Event[Any]]:
        """Get the newest events of a job, oldest first. Raises ApiError."""
        path = f"{_job_path(namespace, job_id)}/events"
        return parse_events(await self._call("GET", path), self._url(path))

    async def job_log(
        self, job_id: str, namespace: str = "default", *, follow: bool = False
    ) -> AsyncGenerator[str, None]:
        """Get the log of a job; with `follow`, also new lines until the job has finished.

        Raises:
            ApiError: the job does not exist.
            UnreachableError: the platform does not respond, or the connection is lost.
        """
        params = {"follow": "true" if follow else "false"}
        async for line in self._http.lines(self._url(f"{_job_path(namespace, job_id)}/logs"), params):
            yield line

    async def cancel_job(self, job_id: str, namespace: str = "default") -> JobDocument:
        """Request the cancellation of a job. Raises ApiError with status 409 if it has finished."""
        return await self._read(JobDocument, "POST", f"{_job_path(namespace, job_id)}/cancel")

    async def retry_job(self, job_id: str, namespace: str = "default") -> JobDocument:
        """Request a retry of a failed or cancelled job. Raises ApiError with status 409 in other phases."""
        return await self._read(JobDocument, "POST", f"{_job_path(namespace, job_id)}/retry")

    async def delete_job(self, job_id: str, namespace: str = "default") -> None:
        """Request the deletion of a job; its results are kept. Raises ApiError."""
        await self._read(JobDocument, "DELETE", _job_path(namespace, job_id))

    async def create_job(
        self,
        ref: ModelRef | str,
        kind: JobKind = JobKind.EXTRACT,
        *,
        conversion: Conversion | None = None,
        namespace: str = "default",
    ) -> JobDocument:
        """Request a job on a model; an earlier result for the same digest is kept. Raises ApiError."""
        body = {"kind": kind.value, "ref": str(ModelRef.coerce(ref))}
        more = {"conversion": conversion.model_dump(mode="json", exclude_defaults=True)} if conversion else {}
        path = f"/namespaces/{quote(namespace, safe='')}/modeljobs"
        return await self._read(JobDocument, "POST", path, json=body | more)

    async def wait_for_job(
        self, job_id: str, namespace: str = "default", *, on_line: Callable[[str], None] = lambda _: None
    ) -> JobDocument:
        """Wait until a job has finished, and show its log. Raises ApiError if the job does not exist."""
        async for line in self.job_log(job_id, namespace, follow=True):
            on_line(line)
        return await self.job(job_id, namespace)


def _job_path(namespace: str, job_id: str) -> str:
    return f"/namespaces/{quote(namespace, safe='')}/modeljobs/{quote(job_id, safe='')}"
