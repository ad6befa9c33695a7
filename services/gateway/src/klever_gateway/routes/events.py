"""Live events, as server-sent events."""

import asyncio
import json

import structlog
from aiohttp import web

from klever_gateway.domain.positions import Interest, Position
from klever_gateway.errors import FieldError, InvalidRequestError
from klever_gateway.ports import Gap, NextStep
from klever_gateway.routes.common.keys import LIVE_EVENTS, STREAM_PACE, StreamPace
from klever_gateway.routes.common.operation import BASE, Failure, Operation, Success
from klever_gateway.routes.common.requests import read_query
from klever_gateway.routes.openapi import examples
from klever_gateway.routes.schemas.queries import WatchQuery

LAST_EVENT_ID = "Last-Event-ID"
EVENT_STREAM = "text/event-stream"
RECONNECT_MILLISECONDS = 1000
GAP = "gap"
"""Name of the message for possibly missing events. The types of real events contain dots."""

log = structlog.get_logger(__name__)


async def watch_events(request: web.Request) -> web.StreamResponse:
    """Stream new events, or all events after the last one that the client has received."""
    interest = _interest(read_query(request, WatchQuery))
    position = await request.app[LIVE_EVENTS].start(request.headers.get(LAST_EVENT_ID))
    async with request.app[LIVE_EVENTS].follow(position, interest) as next_step:
        stream = EventStream(request, request.app[STREAM_PACE])
        return await stream.run(position, next_step)


class EventStream:
    """The stream of one client.

    If a client does not read, `write` waits once the socket's buffers are full. Meanwhile nothing is read from NATS,
    and after `slow_client_seconds` the client is disconnected.
    """

    def __init__(self, request: web.Request, pace: StreamPace) -> None:
        self._request = request
        self._pace = pace
        headers = {"Content-Type": EVENT_STREAM, "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        self._response = web.StreamResponse(headers=headers)

    async def run(self, position: Position, next_step: NextStep) -> web.StreamResponse:
        """Send events until the client disconnects or is disconnected."""
        await self._response.prepare(self._request)
        try:
            await self._write(f"retry: {RECONNECT_MILLISECONDS}\nid: {position}\n\n")
            while True:
                position = await self._step(position, next_step)
        except ConnectionError:
            log.debug("event stream closed by the client")
        except TimeoutError:
            log.warning("client disconnected: it does not read its event stream", remote=self._request.remote)
            if self._request.transport is not None:
                self._request.transport.abort()
        return self._response

    async def _step(self, position: Position, next_step: NextStep) -> Position:
        try:
            async with asyncio.timeout(self._pace.keep_alive_seconds):
                step = await next_step()
        except TimeoutError:
            await self._write(": keep-alive\n\n")
            return position
        position = position.after(step.stream, step.mark)
        if isinstance(step, Gap):
            data, name = json.dumps({"stream": step.stream, "reason": step.loss}), GAP
        else:
            data, name = step.event.model_dump_json(exclude_none=True), step.event.type
        await self._write(f"id: {position}\nevent: {name}\ndata: {data}\n\n")
        return position

    async def _write(self, text: str) -> None:
        async with asyncio.timeout(self._pace.slow_client_seconds):
            await self._response.write(text.encode())


def _interest(query: WatchQuery) -> Interest:
    interest = Interest(types=frozenset(query.type), subject=query.subject)
    if interest.unknown_types:
        unknown = ", ".join(interest.unknown_types)
        message = f"unknown event type {unknown}: see docs/events.md for all types"
        raise InvalidRequestError(message, errors=(FieldError("query.type", message),))
    return interest


_DATA = examples.EVENT.model_dump_json(exclude_none=True)

OPERATIONS = (
    Operation(
        id="watchEvents",
        method="GET",
        path=f"{BASE}/events",
        handler=watch_events,
        tag="events",
        summary="Follow events, live",
        description=(
            "Server-sent events: `event` is the CloudEvents type, `data` the CloudEvent in structured JSON, `id` a "
            "position. A client that reconnects with `Last-Event-ID` gets every event once. If "
            f"events may be missing, because they expired or the event store was lost, the stream contains an event "
            f"`{GAP}`; its `data` has the stream and the reason. Then read the documents again. "
            "Comments keep a silent stream open. A client that does not read is disconnected."
        ),
        query=WatchQuery,
        headers=(LAST_EVENT_ID,),
        success=Success(
            description="A stream without an end.",
            media_type=EVENT_STREAM,
            example=f"id: {examples.POSITION}\nevent: {examples.EVENT.type}\ndata: {_DATA}\n\n",
        ),
        failures=(Failure.INVALID, Failure.UNAVAILABLE),
    ),
)
