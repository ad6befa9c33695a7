"""Partial changes of a serving: a version, the traffic, the replicas, an earlier revision."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from klever_gateway.domain.invalid import checked
from klever_gateway.domain.preconditions import Conditions
from klever_gateway.routes.common.keys import SERVING_CHANGES
from klever_gateway.routes.common.operation import Body, Failure, Handler, Operation, Success
from klever_gateway.routes.common.requests import CONDITIONS, read_body, read_conditions
from klever_gateway.routes.common.responses import CORRELATION_ID, accepted
from klever_gateway.routes.openapi import examples
from klever_gateway.routes.schemas.names import ServingName
from klever_gateway.routes.schemas.queries import WriteQuery
from klever_gateway.service.submitter import Accepted
from kleverproto.serving_changes import ChangeTraffic, DeployVersion, RollBack, ScaleServing
from kleverproto.servings import ServingDocument

from .servings import ONE

ChangeT = TypeVar("ChangeT", bound=BaseModel)


async def deploy_version(request: web.Request) -> web.Response:
    """Serve a model version, or give it a share of the traffic."""
    return await _change(request, DeployVersion, request.app[SERVING_CHANGES].deploy)


async def change_traffic(request: web.Request) -> web.Response:
    """Change the split of the traffic."""
    return await _change(request, ChangeTraffic, request.app[SERVING_CHANGES].change_traffic)


async def scale_serving(request: web.Request) -> web.Response:
    """Change the number of replicas."""
    return await _change(request, ScaleServing, request.app[SERVING_CHANGES].scale)


async def roll_back(request: web.Request) -> web.Response:
    """Serve an earlier revision again."""
    return await _change(request, RollBack, request.app[SERVING_CHANGES].roll_back)


async def _change(
    request: web.Request,
    body: type[ChangeT],
    make_change: Callable[[str, str, ChangeT, Conditions], Awaitable[Accepted]],
) -> web.Response:
    """Parse the request and make the change."""
    names, change = checked(ServingName, dict(request.match_info)), await read_body(request, body)
    return accepted(await make_change(names.namespace, names.name, change, await read_conditions(request)))


def _operation(
    operation: str, method: str, path: str, handler: Handler, summary: str, body: tuple[type[BaseModel], Any]
) -> Operation:
    """Create an operation with the responses that all changes share."""
    return Operation(
        id=operation,
        method=method,
        path=f"{ONE}/{path}",
        handler=handler,
        tag="servings",
        summary=summary,
        description=(
            "The change is applied to the present spec, and applied again if another change is accepted first. "
            "With `If-Match`, the request is rejected instead."
        ),
        headers=CONDITIONS,
        query=WriteQuery,
        body=Body(model=body[0], example=body[1]),
        success=Success(
            status=202,
            description="The serving after the change.",
            model=ServingDocument,
            example=examples.PENDING_SERVING.model_dump(mode="json"),
            headers=(CORRELATION_ID, "ETag"),
        ),
        failures=(
            *(Failure.MALFORMED, Failure.UNSUPPORTED_MEDIA_TYPE, Failure.NOT_FOUND, Failure.CONFLICT),
            *(Failure.GENERATION_MISMATCH, Failure.INVALID, Failure.UNAVAILABLE),
        ),
    )


OPERATIONS = (
    _operation(
        *("deployVersion", "POST", "deploy", deploy_version),
        "Serve a model version, or give it a share of the traffic; creates the serving if it does not exist",
        (DeployVersion, {"model": "library/iris:v2", "traffic": 20}),
    ),
    _operation(
        *("changeTraffic", "PATCH", "traffic", change_traffic),
        "Change weights, header rules, mirror or stickiness; absent fields stay, null removes a field",
        (ChangeTraffic, {"weights": {"v1": 80, "v2": 20}, "mirror": None}),
    ),
    _operation(
        *("scaleServing", "PUT", "scale", scale_serving),
        "Set the number of replicas, or the bounds within which it follows the load",
        (ScaleServing, {"variant": "v1", "autoscaling": {"minReplicas": 0, "maxReplicas": 4}}),
    ),
    _operation(
        *("rollBack", "POST", "rollback", roll_back),
        "Serve an earlier revision again, with its whole spec",
        (RollBack, {"generation": 3}),
    ),
)
