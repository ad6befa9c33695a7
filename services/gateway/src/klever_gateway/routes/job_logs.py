"""What the tools of a job say."""

import asyncio
from contextlib import aclosing

import structlog
from aiohttp import web

from klever_gateway.keys import READING, STREAM_PACE
from klever_gateway.operations import Failure, Operation, Success
from klever_gateway.parsing import read_query
from klever_gateway.schemas import LogQuery
from kleverkit.errors import TransientError

from .jobs import ONE

TEXT = "text/plain"

log = structlog.get_logger(__name__)


async def read_job_log(request: web.Request) -> web.StreamResponse:
    """The log of a job, as lines of text."""
    names, follow = request.match_info, read_query(request, LogQuery).follow
    lines = await request.app[READING].job_log(names["namespace"], names["id"], follow=follow)
    response = web.StreamResponse(headers={"Content-Type": f"{TEXT}; charset=utf-8", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    pace = request.app[STREAM_PACE]
    try:
        async with aclosing(lines):
            async for line in lines:
                async with asyncio.timeout(pace.slow_client_seconds):
                    await response.write(f"{line}\n".encode())
    except (ConnectionError, TimeoutError, TransientError) as error:
        # A response that has begun can only be cut off: the client sees that it is not whole.
        log.warning("a job's log was cut off", job=names["id"], error=str(error) or type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
    return response


OPERATIONS = (
    Operation(
        id="readJobLog",
        method="GET",
        path=f"{ONE}/logs",
        handler=read_job_log,
        tag="jobs",
        summary="Read what the tools of a job say",
        description="Lines of text, kept for seven days; with `follow` as they come, until the job has ended.",
        query=LogQuery,
        success=Success(description="The lines.", media_type=TEXT, example="tf2onnx: 12 operators\n"),
        failures=(Failure.NOT_FOUND, Failure.INVALID, Failure.UNAVAILABLE),
    ),
)
