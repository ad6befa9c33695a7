"""POST /catalogue/rebuild: rebuilds the catalogue from the registry."""

from aiohttp import web

from klever_registry.service.reconciling import Reconciler
from kleverkit.errors import TransientError


def add_catalogue(app: web.Application, reconciler: Reconciler) -> None:
    """Add the route."""

    async def rebuild(_request: web.Request) -> web.Response:
        try:
            count = await reconciler.rebuild()
        except TransientError as error:
            return web.json_response({"detail": str(error), "code": error.code}, status=503)
        return web.json_response({"versions": count}, status=202)

    app.router.add_post("/catalogue/rebuild", rebuild)
