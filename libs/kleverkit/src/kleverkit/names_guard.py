"""Refuses requests that are addressed to another host, or sent by a page of another origin."""

from collections.abc import Callable
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from kleverserve.http_server import Refusal

from .own_names import Authority, OwnNames, local_authority

_Refused = tuple[HTTPStatus, str]


def names_guard(names: OwnNames, setting: str, refusal: Callable[[], Refusal]) -> Middleware:
    """Create a middleware that checks `Host` and `Origin` of every request.

    Args:
        names: the names of this server.
        setting: the environment variable that adds a name, for the message.
        refusal: creates the response.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = _refused(request, names, setting)
        if refused is None:
            return await handler(request)
        response = refusal()(*refused)
        response.force_close()
        return response

    return guarded


def _refused(request: web.Request, names: OwnNames, setting: str) -> _Refused | None:
    try:
        local = _local(request)
        hosts = _hosts(request)
    except ValueError as error:
        return HTTPStatus.BAD_REQUEST, f"the request has no valid Host header: {error}"
    for text, asked in hosts:
        if not names.include(asked, local):
            advice = f"the operator adds a name with {setting}"
            return HTTPStatus.MISDIRECTED_REQUEST, f"this server is not called {text}: {advice}"
    if all(_is_own(origin, names, local) for origin in request.headers.getall(hdrs.ORIGIN, [])):
        return None
    return HTTPStatus.FORBIDDEN, (
        f"the request comes from a page of another origin: only this server's own pages may send it ({setting})"
    )


def _local(request: web.Request) -> Authority:
    return local_authority(request.get_extra_info("sockname"))


def _hosts(request: web.Request) -> list[tuple[str, Authority]]:
    """The hosts in the Host header and, if it is a URL, in the target (RFC 9112, section 3.2). Raises ValueError."""
    headers = request.headers.getall(hdrs.HOST, [])
    if len(headers) != 1:
        raise ValueError(f"there are {len(headers)}, not 1")
    texts = [headers[0]]
    if request.raw_path[:1] not in {"/", "*"}:
        texts.append(request.raw_path.partition("://")[2].partition("/")[0])
    return [(text, Authority.parse(text)) for text in texts]


def _is_own(origin: str, names: OwnNames, local: Authority) -> bool:
    try:
        return names.include(Authority.of_origin(origin), local)
    except ValueError:  # `null`: a sandboxed page, a file, or another scheme
        return False
