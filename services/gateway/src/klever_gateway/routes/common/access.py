"""Authentication of programs by token, and of browsers by session."""

from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from klever_gateway.errors import UnauthorizedError
from klever_gateway.service.sessions import Session, Sessions, has_page_key
from kleverkit.http_telemetry import route_of
from kleverkit.tokens import Token

PAGE_KEY = "X-Klever-Page-Key"
"""Header in which the gateway's own pages send the page key of their session."""
OPEN_ROUTES = frozenset({"/healthz", "/readyz", "/metrics", "/login", "/v2", "/v2/{path}"})
"""Routes without authentication here: `/metrics` is checked elsewhere, `/v2` only returns the registry's address."""
PAGES = frozenset({"/", "/docs", "/docs/assets"})
"""Pages that a browser requests without the page key. They are the same for all users."""
SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


@dataclass(frozen=True)
class Access:
    """Authenticates requests."""

    token: Token
    sessions: Sessions

    def refusal(self, request: web.Request) -> str | None:
        """Return the reason to reject a request, or None."""
        if route_of(request) in OPEN_ROUTES:
            return None
        if header := request.headers.get(hdrs.AUTHORIZATION):
            return None if self.token.is_in(header) else "the token is not this gateway's"
        session = self.sessions.find(request.cookies.get(cookie_name(request), ""))
        return "the request has no token" if session is None else _page_refusal(request, session)


def _page_refusal(request: web.Request, session: Session) -> str | None:
    """Return the reason to reject a browser's request, or None. Only pages may be requested without the page key."""
    if route_of(request) in PAGES and request.method in SAFE:
        return None
    if not has_page_key(session, request.headers.get(PAGE_KEY, "")):
        return f"a browser session may call the API only from the gateway's own pages, which send {PAGE_KEY}"
    if request.method not in SAFE and hdrs.ORIGIN not in request.headers:
        return "a browser session may make changes only with the Origin of the gateway's own pages"
    return None


def make_access(access: Access) -> Middleware:
    """Create the middleware. It raises UnauthorizedError before any part of the body is read."""

    @web.middleware
    async def authorized(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = access.refusal(request)
        if refused is not None:
            raise UnauthorizedError(
                f"{refused}: send `Authorization: Bearer` with the content of the file `token` in the platform's home "
                "(`klever status` shows the home), or open the link of `klever login-link` in a browser"
            )
        return await handler(request)

    return authorized


def cookie_name(request: web.Request) -> str:
    """Return the name of the session cookie. It contains the port, because platforms on one host share cookies."""
    return f"klever-session-{request.url.port}"


async def add_browser_rules(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Set security headers when a response is prepared: no Referer, no framing, no guessed content types."""
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Content-Security-Policy", "frame-ancestors 'none'")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
