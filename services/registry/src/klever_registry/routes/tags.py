"""GET /v2/<name>/tags/list, with pagination."""

from aiohttp import web

from klever_registry.domain.pages import page, parse_limit
from klever_registry.service.distribution import Distribution

from .base import PREFIX, repository


def add_routes(app: web.Application, distribution: Distribution) -> None:
    """Add the route."""

    async def tags(request: web.Request) -> web.Response:
        limit = parse_limit(request.query.get("n"))
        name = request.match_info["name"]
        listing = page(await distribution.tags(repository(request)), limit=limit, last=request.query.get("last"))
        link = {"Link": f'<{PREFIX}/{name}/tags/list?{listing.next_query}>; rel="next"'} if listing.next_query else {}
        return web.json_response({"name": name, "tags": listing.items}, headers=link)

    app.router.add_get("/v2/{name:.+}/tags/list", tags)
