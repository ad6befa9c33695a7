"""`/healthz`, `/readyz` and `/metrics`, the same on every service."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from kleverproto.metrics import HEALTH_CHECK

from .errors import TransientError
from .metrics import gauge, replace_samples
from .tokens import Token

log = structlog.get_logger(__name__)

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
        checks = dict(self._checks)  # a replica that begins to lead adds more meanwhile
        problems = await asyncio.gather(*(check() for check in checks.values()))
        return dict(zip(checks, problems, strict=True))


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


Refresh = Callable[[], Awaitable[None]]
"""Updates metrics that are read when they are exported. Raises TransientError; the metrics are removed before."""


def add_health_routes(
    app: web.Application, health: Health, metrics: CollectorRegistry, refreshes: Iterable[Refresh] = ()
) -> None:
    """Add the three routes; the refreshes are called before each export of metrics."""
    checks = gauge(HEALTH_CHECK, metrics)

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

    async def prometheus(request: web.Request) -> web.Response:
        problems = await health.problems()
        replace_samples(checks, {(name,): problem is None for name, problem in problems.items()})
        for refresh in refreshes:
            try:
                await refresh()
            except TransientError as error:
                log.debug("metrics not refreshed", error=str(error))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(metrics), headers={"Content-Type": content_type})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", prometheus)
