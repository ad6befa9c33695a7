"""POST /webhooks/…: receives notifications of pushes and deletions from external registries."""

import hmac
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import SecretStr

from klever_registry.domain.notifications import Notice, parse_distribution, parse_harbor
from klever_registry.errors import NotificationInvalidError, NotificationRefusedError
from klever_registry.service.external import Notifications
from kleverkit.errors import KleverError, TransientError

HEADER = "Authorization"
STATUS: dict[type[KleverError], int] = {
    NotificationRefusedError: 401,
    NotificationInvalidError: 400,
    TransientError: 503,
}


def add_webhooks(app: web.Application, notifications: Notifications, secret: SecretStr | None) -> None:
    """Add the routes. Without a secret they reject all requests."""

    def receiver(parse: Callable[[bytes], tuple[Notice, ...]]) -> Handler:
        async def receive(request: web.Request) -> web.StreamResponse:
            try:
                _check(request.headers.get(HEADER, ""), secret)
                await notifications.dispatch(parse(await request.read()))
            except (NotificationRefusedError, NotificationInvalidError, TransientError) as error:
                return _problem(error)
            return web.Response(status=202)

        return receive

    app.router.add_post("/webhooks/harbor", receiver(parse_harbor))
    app.router.add_post("/webhooks/distribution", receiver(parse_distribution))


def _check(header: str, secret: SecretStr | None) -> None:
    """Check the secret in the header, bare (as Harbor sends it) or as Bearer token. Raises NotificationRefusedError."""
    if secret is None:
        raise NotificationRefusedError(
            "this registry does not accept notifications without a secret: set KLEVER_REGISTRY_WEBHOOK_SECRET"
        )
    expected = secret.get_secret_value().encode()
    if not hmac.compare_digest(header.removeprefix("Bearer ").encode(errors="surrogateescape"), expected):
        raise NotificationRefusedError(
            "the secret is missing or wrong: configure the registry to send KLEVER_REGISTRY_WEBHOOK_SECRET as "
            "Authorization header"
        )


def _problem(error: KleverError) -> web.Response:
    """Return a response with problem details (RFC 9457)."""
    status = next(status for kind, status in STATUS.items() if isinstance(error, kind))
    problem = {
        "type": f"urn:klever:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": str(error),
        "code": error.code,
    }
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}  # noqa: PLR2004 - HTTP
    return web.json_response(problem, status=status, headers=headers, content_type="application/problem+json")
