"""`/healthz`, `/readyz` and `/metrics`, the same on every service."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[bool]]


class Health:
    """Named checks that must all hold before a service takes work."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """Let readiness depend on one more thing."""
        self._checks[name] = check

    async def results(self) -> dict[str, bool]:
        """Name of the check to whether it holds."""
        return {name: await check() for name, check in self._checks.items()}


def add_health_routes(app: web.Application, health: Health, metrics: CollectorRegistry) -> None:
    """Mount the three routes."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        checks = await health.results()
        ready = all(checks.values())
        body = {"status": "ready" if ready else "not ready", "checks": checks}
        return web.json_response(body, status=200 if ready else 503)

    async def prometheus(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", prometheus)
