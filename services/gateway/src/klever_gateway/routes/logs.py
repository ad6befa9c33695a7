"""Logs of jobs and servings."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from aiohttp import web

from klever_gateway.routes.common.keys import READER, STREAM_PACE
from klever_gateway.routes.common.operation import Failure, Operation, Success
from klever_gateway.routes.common.requests import read_query
from klever_gateway.routes.schemas.queries import LogQuery, ServingLogQuery
from kleverkit.errors import TransientError

from . import jobs, servings

TEXT = "text/plain"

log = structlog.get_logger(__name__)


async def read_job_log(request: web.Request) -> web.StreamResponse:
    """Return the log of a job as lines of text."""
    names, follow = request.match_info, read_query(request, LogQuery).follow
    return await _send(request, await request.app[READER].job_log(names["namespace"], names["id"], follow=follow))


async def read_serving_log(request: web.Request) -> web.StreamResponse:
    """Return the log of a serving as lines of text."""
    names, query = request.match_info, read_query(request, ServingLogQuery)
    reader = request.app[READER]
    lines = await reader.serving_log(names["namespace"], names["name"], query.variant, follow=query.follow)
    return await _send(request, lines)


async def _send(request: web.Request, lines: AsyncGenerator[str, None]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": f"{TEXT}; charset=utf-8", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    pace = request.app[STREAM_PACE]
    try:
        async with aclosing(lines):
            async for line in lines:
                async with asyncio.timeout(pace.slow_client_seconds):
                    await response.write(f"{line}\n".encode())
    except (ConnectionError, TimeoutError, TransientError) as error:
        # The status is already sent. The closed connection shows the client that the log is incomplete.
        log.warning("sending of a log was interrupted", path=request.path, error=str(error) or type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
    return response


OPERATIONS = (
    Operation(
        id="readJobLog",
        method="GET",
        path=f"{jobs.ONE}/logs",
        handler=read_job_log,
        tag="jobs",
        summary="Read the log of a job",
        description="Lines of text, kept for seven days; with `follow` also new lines until the job finishes.",
        query=LogQuery,
        success=Success(description="The lines.", media_type=TEXT, example="tf2onnx: 12 operators\n"),
        failures=(Failure.NOT_FOUND, Failure.INVALID, Failure.UNAVAILABLE),
    ),
    Operation(
        id="readServingLog",
        method="GET",
        path=f"{servings.ONE}/logs",
        handler=read_serving_log,
        tag="servings",
        summary="Read the log of a serving",
        description="Lines of text, each with its replica, kept for seven days; with `follow` also new lines.",
        query=ServingLogQuery,
        success=Success(description="The lines.", media_type=TEXT, example='v1/0 | {"event":"ready","port":40123}\n'),
        failures=(Failure.NOT_FOUND, Failure.INVALID, Failure.UNAVAILABLE),
    ),
)
