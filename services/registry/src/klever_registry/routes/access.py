"""HTTP Basic authentication and authorization of all requests below /v2/ and /catalogue."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from klever_registry.domain.access import Reader, Requester, project_of, required_right
from klever_registry.domain.logins import source_of
from klever_registry.domain.names import repository_name
from klever_registry.service.authorization import Authorization
from kleverproto.accounts import ANY_PROJECT, Right

from .base import PREFIX, repository

MOUNTED_FROM = web.RequestKey("mounted_from", str)
"""Source repository of a mount; absent without a source, or if the client may not read it."""
READER = web.RequestKey("reader", Reader)
"""Rights of a client that lists repositories; absent in a registry without authentication."""
CATALOGUE = f"{PREFIX}/_catalog"


def guard(authorization: Authorization | None) -> Middleware:
    """Create the middleware. Without `authorization`, all requests are allowed."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if authorization is not None:
            await _check(request, authorization)
        await _note_source(request, authorization)
        return await handler(request)

    return guarded


async def _check(request: web.Request, authorization: Authorization) -> None:
    requester = _requester(request)
    if "name" in request.match_info:
        await authorization.check(requester, project_of(repository(request)), required_right(request.method))
    elif request.path == CATALOGUE and requester.header:
        request[READER] = await authorization.reader(requester)
    elif request.path.startswith(PREFIX):
        # Clients learn from this response that logins exist, even if reading does not require one.
        await authorization.identify(requester)
    elif request.path.startswith("/catalogue"):
        await authorization.check(requester, ANY_PROJECT, Right.PUSH)


async def _note_source(request: web.Request, authorization: Authorization | None) -> None:
    """Normalise the source of a mount once, so that the authorized repository is the one that is used."""
    if "name" not in request.match_info or not request.query.get("from"):
        return
    source = repository_name(request.query["from"])
    if authorization is None or await authorization.allows(_requester(request), project_of(source), Right.PULL):
        request[MOUNTED_FROM] = source


def _requester(request: web.Request) -> Requester:
    return Requester(request.headers.get("Authorization", ""), source_of(request.remote))
