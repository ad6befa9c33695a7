"""Lets nobody past who may not: HTTP Basic authentication for everything under /v2/ and /catalogue."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from klever_registry.domain.access import Reader, project_of, wanted_right
from klever_registry.service.authorization import Authorization
from kleverproto.accounts import ANY_PROJECT, Right

from .base import PREFIX, repository

MAY_MOUNT = web.RequestKey("may_mount", bool)
"""Whether the request may read the repository that it mounts from."""
READER = web.RequestKey("reader", Reader)
"""Who lists repositories; absent where everybody may read everything."""
CATALOGUE = f"{PREFIX}/_catalog"


def guard(authorization: Authorization | None) -> Middleware:
    """The middleware; without accounts everybody may do everything."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if authorization is not None:
            await _check(request, authorization)
        return await handler(request)

    return guarded


async def _check(request: web.Request, authorization: Authorization) -> None:
    header = request.headers.get("Authorization", "")
    if "name" in request.match_info:
        await authorization.check(header, project_of(repository(request)), wanted_right(request.method))
        if source := request.query.get("from"):
            request[MAY_MOUNT] = await authorization.allows(header, project_of(source), Right.PULL)
    elif request.path == CATALOGUE and header:
        request[READER] = await authorization.reader(header)
    elif request.path.startswith(PREFIX):
        # Clients learn here that there is a login, also where reading needs none.
        await authorization.identify(header)
    elif request.path.startswith("/catalogue"):
        await authorization.check(header, ANY_PROJECT, Right.PUSH)
