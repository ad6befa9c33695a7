"""Response to OCI clients that use the gateway's address by mistake: an error with the registry's address."""

from http import HTTPStatus

from aiohttp import web
from yarl import URL

from klever_gateway.routes.common.keys import PLATFORM


async def name_the_registry(request: web.Request) -> web.Response:
    """Return an error of OCI distribution 1.1 for any request below /v2/."""
    registry = URL(request.app[PLATFORM].registry)
    if registry.host == "127.0.0.1" and request.url.host == "localhost":
        registry = registry.with_host("localhost")
    message = f"{request.host} is not an OCI registry; Klever's is {registry.authority}"
    errors = [{"code": "UNSUPPORTED", "message": message}]
    return web.json_response({"errors": errors}, status=HTTPStatus.NOT_FOUND)


def add_signpost(app: web.Application) -> None:
    """Add the routes below `/v2`, for every method."""
    app.router.add_route("*", "/v2", name_the_registry)
    app.router.add_route("*", "/v2/{path:.*}", name_the_registry)
