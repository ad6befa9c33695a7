"""Servings."""

from aiohttp import web

from klever_gateway.domain.invalid import checked
from klever_gateway.domain.rows import Collection
from klever_gateway.routes.common.keys import READER, SERVINGS
from klever_gateway.routes.common.operation import BASE, Body, Failure, Operation, Success
from klever_gateway.routes.common.requests import (
    CONDITIONS,
    IDEMPOTENCY_KEY,
    read_body,
    read_conditions,
    read_query,
)
from klever_gateway.routes.common.responses import CORRELATION_ID, accepted, document, items, page
from klever_gateway.routes.openapi import examples
from klever_gateway.routes.schemas.answers import EventList, ServingList
from klever_gateway.routes.schemas.names import NamespaceName, ServingName
from klever_gateway.routes.schemas.queries import RecentQuery, ServingQuery, WriteQuery
from klever_gateway.routes.schemas.servings import CreateServing, ReplaceServing, SteerRollout
from kleverproto.servings import ServingDocument, ServingRequested

PATH = f"{BASE}/namespaces/{{namespace}}/servings"
ONE = f"{PATH}/{{name}}"


async def list_all_servings(request: web.Request) -> web.Response:
    """List the servings of all namespaces."""
    query = read_query(request, ServingQuery).as_query()
    return page(await request.app[READER].find(Collection.SERVINGS, query))


async def list_servings(request: web.Request) -> web.Response:
    """List the servings of a namespace."""
    query = read_query(request, ServingQuery).as_query(namespace=request.match_info["namespace"])
    return page(await request.app[READER].find(Collection.SERVINGS, query))


async def get_serving(request: web.Request) -> web.Response:
    """Return one serving."""
    names = request.match_info
    return document(await request.app[READER].serving(names["namespace"], names["name"]))


async def create_serving(request: web.Request) -> web.Response:
    """Request a new serving."""
    path = checked(NamespaceName, dict(request.match_info))
    body = await read_body(request, CreateServing)
    requested = ServingRequested(namespace=path.namespace, name=body.name, spec=body.spec)
    return accepted(await request.app[SERVINGS].create(requested, await read_conditions(request)))


async def replace_serving(request: web.Request) -> web.Response:
    """Request a new spec."""
    path = checked(ServingName, dict(request.match_info))
    body = await read_body(request, ReplaceServing)
    requested = ServingRequested(namespace=path.namespace, name=path.name, spec=body.spec)
    return accepted(await request.app[SERVINGS].replace(requested, await read_conditions(request)))


async def steer_rollout(request: web.Request) -> web.Response:
    """Request to pause, resume, promote or abort a rollout."""
    names = request.match_info
    body = await read_body(request, SteerRollout)
    conditions = await read_conditions(request)
    return accepted(await request.app[SERVINGS].steer(names["namespace"], names["name"], body.action, conditions))


async def delete_serving(request: web.Request) -> web.Response:
    """Request the deletion of a serving."""
    names = request.match_info
    conditions = await read_conditions(request)
    return accepted(await request.app[SERVINGS].delete(names["namespace"], names["name"], conditions))


async def list_serving_events(request: web.Request) -> web.Response:
    """List the newest events of a serving."""
    names, limit = request.match_info, read_query(request, RecentQuery).limit
    entries = await request.app[READER].serving_events(names["namespace"], names["name"], limit)
    return items(len(entries), [entry.event for entry in entries])


_SERVING = examples.SERVING.model_dump(mode="json")
_LIST = Success(description="Servings.", model=ServingList, example=examples.listed(examples.SERVING))
_WRITE_FAILURES = (
    *(Failure.MALFORMED, Failure.UNSUPPORTED_MEDIA_TYPE),
    *(Failure.INVALID, Failure.UNAVAILABLE),
)


def _accepted(description: str, example: ServingDocument) -> Success:
    return Success(
        status=202,
        description=description,
        model=ServingDocument,
        example=example.model_dump(mode="json"),
        headers=(CORRELATION_ID, "ETag"),
    )


OPERATIONS = (
    Operation(
        id="listAllServings",
        method="GET",
        path=f"{BASE}/servings",
        handler=list_all_servings,
        tag="servings",
        summary="List the servings of all namespaces",
        query=ServingQuery,
        success=_LIST,
        failures=(Failure.INVALID, Failure.UNAVAILABLE),
    ),
    Operation(
        id="listServings",
        method="GET",
        path=PATH,
        handler=list_servings,
        tag="servings",
        summary="List the servings of a namespace",
        query=ServingQuery,
        success=_LIST,
        failures=(Failure.INVALID, Failure.UNAVAILABLE),
    ),
    Operation(
        id="getServing",
        method="GET",
        path=ONE,
        handler=get_serving,
        tag="servings",
        summary="Get a serving with its URL and state",
        success=Success(description="The serving.", model=ServingDocument, example=_SERVING, headers=("ETag",)),
        failures=(Failure.NOT_FOUND, Failure.UNAVAILABLE),
    ),
    Operation(
        id="createServing",
        method="POST",
        path=PATH,
        handler=create_serving,
        tag="servings",
        summary="Create a serving",
        headers=(IDEMPOTENCY_KEY,),
        query=WriteQuery,
        description="Absent digests are resolved from the present tags of the versions.",
        body=Body(model=CreateServing, example={"name": "iris", "spec": examples.SPEC_BODY}),
        success=_accepted("The new serving.", examples.PENDING_SERVING),
        failures=(*_WRITE_FAILURES, Failure.CONFLICT, Failure.GENERATION_MISMATCH),
    ),
    Operation(
        id="replaceServing",
        method="PUT",
        path=ONE,
        handler=replace_serving,
        tag="servings",
        summary="Replace the spec of a serving, or create the serving",
        description="The present spec keeps serving until the new one is ready.",
        headers=CONDITIONS,
        query=WriteQuery,
        body=Body(model=ReplaceServing, example={"spec": examples.SPEC_BODY}),
        success=_accepted("The serving with its new spec.", examples.PENDING_SERVING),
        failures=(*_WRITE_FAILURES, Failure.GENERATION_MISMATCH),
    ),
    Operation(
        id="steerRollout",
        method="POST",
        path=f"{ONE}/rollout",
        handler=steer_rollout,
        tag="servings",
        summary="Pause, resume, promote or abort the rollout in progress",
        description="Returns the present serving; `status.rollout` shows the progress.",
        headers=CONDITIONS,
        query=WriteQuery,
        body=Body(model=SteerRollout, example={"action": "promote"}),
        success=_accepted("The serving.", examples.SERVING),
        failures=(*_WRITE_FAILURES, Failure.NOT_FOUND, Failure.CONFLICT, Failure.GENERATION_MISMATCH),
    ),
    Operation(
        id="deleteServing",
        method="DELETE",
        path=ONE,
        handler=delete_serving,
        tag="servings",
        summary="Delete a serving",
        headers=CONDITIONS,
        query=WriteQuery,
        success=_accepted("The serving, Deleting.", examples.DELETING_SERVING),
        failures=(Failure.NOT_FOUND, Failure.INVALID, Failure.GENERATION_MISMATCH, Failure.UNAVAILABLE),
    ),
    Operation(
        id="listServingEvents",
        method="GET",
        path=f"{ONE}/events",
        handler=list_serving_events,
        tag="servings",
        summary="List the newest events of a serving",
        query=RecentQuery,
        success=Success(
            description="CloudEvents, oldest first.",
            model=EventList,
            example=examples.EVENTS,
        ),
        failures=(Failure.NOT_FOUND, Failure.INVALID, Failure.UNAVAILABLE),
    ),
)
