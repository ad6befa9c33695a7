"""Login of browsers with a single-use link."""

import json
import secrets
from http import HTTPStatus

from aiohttp import web
from yarl import URL

from klever_gateway.errors import LoginLinkError
from klever_gateway.routes.common.access import cookie_name
from klever_gateway.routes.common.keys import PLATFORM, SESSIONS
from klever_gateway.routes.common.operation import BASE, JSON, Operation, Success
from klever_gateway.service.sessions import CODE_SECONDS, SESSION_SECONDS
from kleverproto.base import WireModel

from .documentation import DOCS, PAGE_KEY_ITEM

LOGIN = "/login"


class LoginLink(WireModel):
    """A link that logs one browser in."""

    url: str
    """URL to open in the browser, once."""
    expires_in_seconds: int
    """Time until the link expires."""


async def create_login_link(request: web.Request) -> web.Response:
    """Create a login link."""
    url = URL(request.app[PLATFORM].gateway) / "login" % {"code": request.app[SESSIONS].new_code()}
    link = LoginLink(url=str(url), expires_in_seconds=int(CODE_SECONDS))
    headers = {"Cache-Control": "no-store"}
    return web.Response(text=link.model_dump_json(), status=HTTPStatus.CREATED, content_type=JSON, headers=headers)


async def log_in(request: web.Request) -> web.Response:
    """Return the page of a link. The page stores the page key of the session; its cookie is set by the response."""
    session = request.app[SESSIONS].log_in(request.query.get("code", ""))
    if session is None:
        raise LoginLinkError("the link was used, or is older than 5 minutes: create a new one with `klever login-link`")
    nonce = secrets.token_urlsafe(16)
    response = web.Response(text=_page(session.page_key, nonce), content_type="text/html")
    response.headers["Content-Security-Policy"] = f"default-src 'none'; script-src 'nonce-{nonce}'"
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        cookie_name(request),
        session.cookie,
        max_age=int(SESSION_SECONDS),
        httponly=True,
        samesite="Strict",
        secure=URL(request.app[PLATFORM].gateway).scheme == "https",
    )
    return response


def _page(page_key: str, nonce: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Klever</title></head>
<body>
<script nonce="{nonce}">
localStorage.setItem({json.dumps(PAGE_KEY_ITEM)}, {json.dumps(page_key)});
location.replace({json.dumps(DOCS)});
</script>
</body>
</html>
"""


def add_login(app: web.Application) -> None:
    """Add the login page, for GET only: a HEAD request of a link checker does not use up the link."""
    app.router.add_get(LOGIN, log_in, allow_head=False)


OPERATIONS = (
    Operation(
        id="createLoginLink",
        method="POST",
        path=f"{BASE}/login-links",
        handler=create_login_link,
        tag="platform",
        summary="Create a link that logs a browser in, once",
        success=Success(
            description="The link.",
            status=HTTPStatus.CREATED,
            model=LoginLink,
            example={"url": "http://127.0.0.1:8080/login?code=…", "expiresInSeconds": int(CODE_SECONDS)},
        ),
    ),
)
