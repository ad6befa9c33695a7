"""`/healthz`, `/readyz` and `/metrics`, the same on every service."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from .tokens import Token

Check = Callable[[], Awaitable[str | None]]
"""None where it holds; else what is wrong, as a sentence for people."""


def holds(condition: Callable[[], Awaitable[bool]], problem: str) -> Check:
    """A check of a condition, with the sentence for when it does not hold."""

    async def check() -> str | None:
        return None if await condition() else problem

    return check


class Health:
    """Named checks that must all hold before a service takes work."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """Let readiness depend on one more thing."""
        self._checks[name] = check

    async def problems(self) -> dict[str, str | None]:
        """Name of the check to what is wrong with it, if anything."""
        problems = await asyncio.gather(*(check() for check in self._checks.values()))
        return dict(zip(self._checks, problems, strict=True))


def metrics_guard(token: Token) -> Middleware:
    """A middleware: what is measured names what is served, so everything below `/metrics` requires the token."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        is_measured = resource is not None and resource.canonical.startswith("/metrics")
        if not is_measured or token.is_in(request.headers.get("Authorization", "")):
            return await handler(request)
        sentence = "metrics need the platform's token: let Prometheus send it with `authorization: credentials_file`"
        return web.json_response({"error": sentence}, status=401, headers={"WWW-Authenticate": "Bearer"})

    return guarded


def add_health_routes(app: web.Application, health: Health, metrics: CollectorRegistry) -> None:
    """Mount the three routes."""

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
