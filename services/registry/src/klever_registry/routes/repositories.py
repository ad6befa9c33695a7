"""GET /v2/_catalog, with pagination, as in CNCF distribution: the repositories that the client may pull from."""

from aiohttp import web

from klever_registry.domain.access import project_of
from klever_registry.domain.pages import page, parse_limit
from klever_registry.service.distribution import Distribution

from .access import CATALOGUE, READER


def add_routes(app: web.Application, distribution: Distribution) -> None:
    """Add the route."""

    async def repositories(request: web.Request) -> web.Response:
        limit = parse_limit(request.query.get("n"))
        reader = request.get(READER)
        names = await distribution.repositories()
        if reader is not None:
            names = [name for name in names if reader.may_pull(project_of(name))]
        part = page(names, limit=limit, last=request.query.get("last"))
        link = {"Link": f'<{CATALOGUE}?{part.next_query}>; rel="next"'} if part.next_query else {}
        return web.json_response({"repositories": part.items}, headers=link)

    app.router.add_get(CATALOGUE, repositories)
