"""Jobs on models."""

from aiohttp import web

from klever_gateway.domain.invalid import checked
from klever_gateway.domain.rows import Collection
from klever_gateway.routes.common.keys import JOBS, READER
from klever_gateway.routes.common.operation import BASE, Body, Failure, Operation, Success
from klever_gateway.routes.common.requests import read_body, read_query
from klever_gateway.routes.common.responses import CORRELATION_ID, accepted, document, items, page
from klever_gateway.routes.openapi import examples
from klever_gateway.routes.schemas.answers import EventList, JobList
from klever_gateway.routes.schemas.jobs import CreateJob
from klever_gateway.routes.schemas.names import NamespaceName
from klever_gateway.routes.schemas.queries import JobQuery, RecentQuery
from kleverproto.jobs import JobDocument

PATH = f"{BASE}/namespaces/{{namespace}}/modeljobs"
ONE = f"{PATH}/{{id}}"


async def list_jobs(request: web.Request) -> web.Response:
    """List the jobs of a namespace."""
    query = read_query(request, JobQuery).as_query(namespace=request.match_info["namespace"])
    return page(await request.app[READER].find(Collection.JOBS, query))


async def get_job(request: web.Request) -> web.Response:
    """Return one job."""
    names = request.match_info
    return document(await request.app[READER].job(names["namespace"], names["id"]))


async def create_job(request: web.Request) -> web.Response:
    """Request a job."""
    path = checked(NamespaceName, dict(request.match_info))
    body = await read_body(request, CreateJob)
    return accepted(await request.app[JOBS].create(path.namespace, body.ref, body.kind, body.conversion))


async def cancel_job(request: web.Request) -> web.Response:
    """Request the cancellation of a job."""
    names = request.match_info
    return accepted(await request.app[JOBS].cancel(names["namespace"], names["id"]))


async def retry_job(request: web.Request) -> web.Response:
    """Request another run of a job."""
    names = request.match_info
    return accepted(await request.app[JOBS].retry(names["namespace"], names["id"]))


async def delete_job(request: web.Request) -> web.Response:
    """Request the deletion of a job."""
    names = request.match_info
    return accepted(await request.app[JOBS].delete(names["namespace"], names["id"]))


async def list_job_events(request: web.Request) -> web.Response:
    """List the newest events of a job."""
    names, limit = request.match_info, read_query(request, RecentQuery).limit
    entries = await request.app[READER].job_events(names["namespace"], names["id"], limit)
    return items(len(entries), [entry.event for entry in entries])


_PENDING = examples.PENDING_JOB.model_dump(mode="json")


def _accepted(description: str) -> Success:
    headers = (CORRELATION_ID, "ETag")
    return Success(status=202, description=description, model=JobDocument, example=_PENDING, headers=headers)


OPERATIONS = (
    Operation(
        id="listJobs",
        method="GET",
        path=PATH,
        handler=list_jobs,
        tag="jobs",
        summary="List jobs",
        query=JobQuery,
        success=Success(description="Jobs.", model=JobList, example=examples.listed(examples.JOB)),
        failures=(Failure.INVALID, Failure.UNAVAILABLE),
    ),
    Operation(
        id="getJob",
        method="GET",
        path=ONE,
        handler=get_job,
        tag="jobs",
        summary="Get a job with its result or its problem",
        success=Success(
            description="The job.",
            model=JobDocument,
            example=examples.JOB.model_dump(mode="json"),
            headers=("ETag",),
        ),
        failures=(Failure.NOT_FOUND, Failure.UNAVAILABLE),
    ),
    Operation(
        id="createJob",
        method="POST",
        path=PATH,
        handler=create_job,
        tag="jobs",
        summary="Request a job on a model version",
        description="The same work on the same bytes is one job: a repeated request returns the present job.",
        body=Body(model=CreateJob, example={"kind": "convert", "ref": "library/iris:v1", "conversion": {"to": "ONNX"}}),
        success=_accepted("The job."),
        failures=(
            *(Failure.MALFORMED, Failure.UNSUPPORTED_MEDIA_TYPE),
            *(Failure.INVALID, Failure.UNAVAILABLE),
        ),
    ),
    Operation(
        id="cancelJob",
        method="POST",
        path=f"{ONE}/cancel",
        handler=cancel_job,
        tag="jobs",
        summary="Cancel a job",
        description="Returns the present job. Its phase becomes Cancelled, unless it finishes first.",
        success=_accepted("The job, not yet cancelled."),
        failures=(Failure.NOT_FOUND, Failure.CONFLICT, Failure.UNAVAILABLE),
    ),
    Operation(
        id="retryJob",
        method="POST",
        path=f"{ONE}/retry",
        handler=retry_job,
        tag="jobs",
        summary="Retry a job that failed or was cancelled",
        success=_accepted("The job, Pending again."),
        failures=(Failure.NOT_FOUND, Failure.CONFLICT, Failure.UNAVAILABLE),
    ),
    Operation(
        id="deleteJob",
        method="DELETE",
        path=ONE,
        handler=delete_job,
        tag="jobs",
        summary="Delete a job; a running job is cancelled first",
        description="The results of the job stay.",
        success=_accepted("The job, not yet deleted."),
        failures=(Failure.NOT_FOUND, Failure.UNAVAILABLE),
    ),
    Operation(
        id="listJobEvents",
        method="GET",
        path=f"{ONE}/events",
        handler=list_job_events,
        tag="jobs",
        summary="List the newest events of a job",
        query=RecentQuery,
        success=Success(description="CloudEvents, oldest first.", model=EventList, example=examples.EVENTS),
        failures=(Failure.NOT_FOUND, Failure.INVALID, Failure.UNAVAILABLE),
    ),
)
