"""Changes of a serving that say what is different: a version, the traffic, the replicas, an earlier revision."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from klever_gateway.domain.preconditions import Conditions
from klever_gateway.routes.common.keys import SERVING_CHANGES
from klever_gateway.routes.common.operation import Body, Failure, Handler, Operation, Success
from klever_gateway.routes.common.requests import CONDITIONS, checked, read_body, read_conditions
from klever_gateway.routes.common.responses import CORRELATION_ID, accepted
from klever_gateway.routes.openapi import examples
from klever_gateway.routes.schemas.names import ServingName
from klever_gateway.service.writing import Written
from kleverproto.serving_changes import ChangeTraffic, DeployVersion, RollBack, ScaleServing
from kleverproto.servings import ServingDocument

from .servings import ONE

ChangeT = TypeVar("ChangeT", bound=BaseModel)


async def deploy_version(request: web.Request) -> web.Response:
    """Serve a model version, or give it a share of the traffic."""
    return await _change(request, DeployVersion, request.app[SERVING_CHANGES].deploy)


async def change_traffic(request: web.Request) -> web.Response:
    """Split the requests in another way."""
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
    make_change: Callable[[str, str, ChangeT, Conditions], Awaitable[Written]],
) -> web.Response:
    """Read the names, the body and the conditions, and make the change."""
    names, change = checked(ServingName, dict(request.match_info)), await read_body(request, body)
    return accepted(await make_change(names.namespace, names.name, change, await read_conditions(request)))


def _operation(
    operation: str, method: str, path: str, handler: Handler, summary: str, body: tuple[type[BaseModel], Any]
) -> Operation:
    """A row of the table: what it says of success and failure is the same for all of them."""
    return Operation(
        id=operation,
        method=method,
        path=f"{ONE}/{path}",
        handler=handler,
        tag="servings",
        summary=summary,
        description=(
            "The change is made to the present spec, and made again if another change came first. "
            "With `If-Match`, it is rejected instead."
        ),
        headers=CONDITIONS,
        body=Body(model=body[0], example=body[1]),
        success=Success(
            status=202,
            description="The serving as it will be.",
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
        "Serve a model version, or give it a share of the traffic; creates the serving if there is none",
        (DeployVersion, {"model": "library/iris:v2", "traffic": 20}),
    ),
    _operation(
        *("changeTraffic", "PATCH", "traffic", change_traffic),
        "Change weights, header rules, mirror or stickiness; absent fields stay, and null removes",
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
