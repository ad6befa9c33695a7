"""Jobs on models."""

from aiohttp import web

from klever_gateway import examples
from klever_gateway.domain.rows import Collection
from klever_gateway.keys import JOBS, READING
from klever_gateway.operations import BASE, Body, Failure, Operation, Success
from klever_gateway.parsing import CORRELATION_ID, accepted, checked, document, page, read_body, read_query
from klever_gateway.schemas import CreateJob, JobList, JobQuery, NamespaceName
from kleverproto.jobs import JobDocument

PATH = f"{BASE}/namespaces/{{namespace}}/modeljobs"


async def list_jobs(request: web.Request) -> web.Response:
    """Jobs of a namespace."""
    query = read_query(request, JobQuery).as_query(namespace=request.match_info["namespace"])
    return page(await request.app[READING].find(Collection.JOBS, query))


async def get_job(request: web.Request) -> web.Response:
    """One job."""
    names = request.match_info
    return document(await request.app[READING].job(names["namespace"], names["id"]))


async def create_job(request: web.Request) -> web.Response:
    """Ask for a job."""
    where = checked(NamespaceName, dict(request.match_info))
    wanted = await read_body(request, CreateJob)
    return accepted(await request.app[JOBS].create(where.namespace, wanted.kind, wanted.ref))


async def cancel_job(request: web.Request) -> web.Response:
    """Ask for a job to stop."""
    names = request.match_info
    return accepted(await request.app[JOBS].cancel(names["namespace"], names["id"]))


_PENDING = examples.PENDING_JOB.model_dump(mode="json")

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
        path=f"{PATH}/{{id}}",
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
        summary="Ask for a job on a model version",
        description="The same work on the same bytes is one job: asking again gives the job that is there.",
        body=Body(model=CreateJob, example={"kind": "extract", "ref": "library/iris:v1"}),
        success=Success(
            status=202,
            description="The job.",
            model=JobDocument,
            example=_PENDING,
            headers=(CORRELATION_ID, "ETag"),
        ),
        failures=(
            *(Failure.MALFORMED, Failure.UNSUPPORTED_MEDIA_TYPE),
            *(Failure.INVALID, Failure.UNAVAILABLE),
        ),
    ),
    Operation(
        id="cancelJob",
        method="DELETE",
        path=f"{PATH}/{{id}}",
        handler=cancel_job,
        tag="jobs",
        summary="Ask for a job to stop",
        description="Answers with the job as it is; it becomes Cancelled, unless it ends first.",
        success=Success(
            status=202,
            description="The job, not yet stopped.",
            model=JobDocument,
            example=_PENDING,
            headers=(CORRELATION_ID, "ETag"),
        ),
        failures=(Failure.NOT_FOUND, Failure.CONFLICT, Failure.UNAVAILABLE),
    ),
)
