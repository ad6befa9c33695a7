"""Authentication: programs with the token, and browsers that logged in with a link."""

from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from klever_gateway.errors import UnauthorizedError
from klever_gateway.service.sessions import Session, Sessions, is_of
from kleverkit.tokens import Token

PAGE_KEY = "X-Klever-Page-Key"
"""Header in which the gateway's own pages send what they keep of a session."""
OPEN_ROUTES = frozenset({"/healthz", "/readyz", "/metrics", "/login", "/v2", "/v2/{path}"})
"""Requested without a token, or checked elsewhere (`/metrics`); `/v2` only names the registry's address."""
PAGES = frozenset({"/", "/docs", "/docs/assets"})
"""Pages that a browser requests without the page key; they are the same for everybody."""
SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


@dataclass(frozen=True)
class Access:
    """Judges requests."""

    token: Token
    sessions: Sessions

    def refusal(self, request: web.Request) -> str | None:
        """Why a request is refused, if it is."""
        if route_of(request) in OPEN_ROUTES:
            return None
        if header := request.headers.get(hdrs.AUTHORIZATION):
            return None if self.token.is_in(header) else "the token is not this gateway's"
        session = self.sessions.find(request.cookies.get(cookie_name(request), ""))
        return "the request has no token" if session is None else _page_refusal(request, session)


def _page_refusal(request: web.Request, session: Session) -> str | None:
    """Pages are for whoever has the cookie; everything else has to come from them."""
    if route_of(request) in PAGES and request.method in SAFE:
        return None
    if not is_of(session, request.headers.get(PAGE_KEY, "")):
        return f"a browser's session calls the API from the gateway's own pages only, which send {PAGE_KEY}"
    if request.method not in SAFE and hdrs.ORIGIN not in request.headers:
        return "a browser's session changes something only with the Origin of the gateway's own pages"
    return None


def make_access(access: Access) -> Middleware:
    """The middleware. Raises UnauthorizedError before anything of the request is read."""

    @web.middleware
    async def authorized(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = access.refusal(request)
        if refused is not None:
            raise UnauthorizedError(
                f"{refused}: send `Authorization: Bearer` with what the file `token` in the platform's home holds "
                "(`klever status` shows the home), or open the link of `klever login-link` in a browser"
            )
        return await handler(request)

    return authorized


def route_of(request: web.Request) -> str:
    """The template of the path, as the router has it."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def cookie_name(request: web.Request) -> str:
    """Platforms on one host share its cookies, whatever their ports."""
    return f"klever-session-{request.url.port}"


async def add_browser_rules(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Signal: no address is sent as a Referer, no page is framed by another, no content type is guessed."""
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Content-Security-Policy", "frame-ancestors 'none'")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
