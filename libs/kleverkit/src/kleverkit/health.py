"""`/healthz`, `/readyz` and `/metrics`, the same on every service."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from .tokens import Token

Check = Callable[[], Awaitable[str | None]]
"""Returns a description of the problem, as a sentence for people, or None."""


def holds(condition: Callable[[], Awaitable[bool]], problem: str) -> Check:
    """Create a check of a condition, with the problem to report if it is false."""

    async def check() -> str | None:
        return None if await condition() else problem

    return check


class Health:
    """Named checks that must all pass before a service is ready."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """Add a check."""
        self._checks[name] = check

    async def problems(self) -> dict[str, str | None]:
        """The problems by name of the check; None for a check that passes."""
        problems = await asyncio.gather(*(check() for check in self._checks.values()))
        return dict(zip(self._checks, problems, strict=True))


def metrics_guard(token: Token) -> Middleware:
    """Create a middleware that requires the token for all paths below `/metrics`: metrics contain names of servings."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        is_measured = resource is not None and resource.canonical.startswith("/metrics")
        if not is_measured or token.is_in(request.headers.get("Authorization", "")):
            return await handler(request)
        sentence = "metrics require the platform's token: configure Prometheus with `authorization: credentials_file`"
        return web.json_response({"error": sentence}, status=401, headers={"WWW-Authenticate": "Bearer"})

    return guarded


def add_health_routes(app: web.Application, health: Health, metrics: CollectorRegistry) -> None:
    """Add the three routes."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        checked = await health.problems()
        problems = {name: problem for name, problem in checked.items() if problem is not None}
        body = {
            "status": "not ready" if problems else "ready",
            "checks": {name: name not in problems for name in checked},
            "problems": problems,
        }
        return web.json_response(body, status=503 if problems else 200)

    async def prometheus(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", prometheus)
