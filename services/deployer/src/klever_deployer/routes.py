"""HTTP endpoints of the deployer beside its health."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from kleverkit.errors import TransientError

TEXT = "text/plain; version=0.0.4"


def ingress_metrics(read: Callable[[], Awaitable[bytes]]) -> web.RouteDef:
    """GET /metrics/ingress: Envoy's metrics by serving, variant and revision, for Prometheus."""

    async def handler(_request: web.Request) -> web.Response:
        try:
            return web.Response(body=await read(), headers={"Content-Type": TEXT})
        except TransientError as error:
            return web.Response(text=f"{error}\n", status=503)

    return web.get("/metrics/ingress", handler)
