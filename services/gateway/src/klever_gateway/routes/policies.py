"""Policies of projects."""

from aiohttp import web

from klever_gateway.domain.invalid import checked
from klever_gateway.routes.common.keys import POLICIES
from klever_gateway.routes.common.operation import BASE, Body, Failure, Operation, Success
from klever_gateway.routes.common.requests import read_body
from klever_gateway.routes.common.responses import CORRELATION_ID, accepted, value
from klever_gateway.routes.openapi import examples
from klever_gateway.routes.schemas.names import ProjectName
from klever_gateway.routes.schemas.policies import ReplacePolicy
from kleverproto.projects import ProjectDocument, ProjectPolicy

PATH = f"{BASE}/projects/{{project}}/policy"


async def get_policy(request: web.Request) -> web.Response:
    """Return the policy of a project."""
    return value(await request.app[POLICIES].get(request.match_info["project"]))


async def put_policy(request: web.Request) -> web.Response:
    """Request a new policy."""
    path = checked(ProjectName, dict(request.match_info))
    body = await read_body(request, ReplacePolicy)
    return accepted(await request.app[POLICIES].put(path.project, body.policy))


_EXAMPLE = examples.POLICY.model_dump(mode="json")

OPERATIONS = (
    Operation(
        id="getPolicy",
        method="GET",
        path=PATH,
        handler=get_policy,
        tag="models",
        summary="Get the policy of a project",
        description="For a project without a policy, returns one without actions.",
        success=Success(description="The policy.", model=ProjectPolicy, example=_EXAMPLE),
        failures=(Failure.UNAVAILABLE,),
    ),
    Operation(
        id="putPolicy",
        method="PUT",
        path=PATH,
        handler=put_policy,
        tag="models",
        summary="Replace the policy of a project",
        description="The policy applies to models that are pushed afterwards.",
        body=Body(model=ReplacePolicy, example=_EXAMPLE),
        success=Success(
            status=202,
            description="The project.",
            model=ProjectDocument,
            example=examples.PROJECT.model_dump(mode="json"),
            headers=(CORRELATION_ID, "ETag"),
        ),
        failures=(
            *(Failure.MALFORMED, Failure.UNSUPPORTED_MEDIA_TYPE),
            *(Failure.INVALID, Failure.UNAVAILABLE),
        ),
    ),
)
