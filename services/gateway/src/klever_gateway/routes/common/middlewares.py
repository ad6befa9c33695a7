"""Middlewares of every request: request id, errors as problem details, authentication."""

import re
import uuid

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from kleverkit.errors import KleverError
from kleverproto import codes

from .access import Access, make_access
from .problems import problem, problem_of, problem_of_http, problem_response

REQUEST_ID = "X-Request-Id"
INTERNAL = problem(500, codes.INTERNAL, "internal error of the gateway: search its log for the id of this request")

_SAFE_ID = re.compile(r"^[A-Za-z0-9._-]{1,128}$")

log = structlog.get_logger(__name__)


def make_middlewares(access: Access | None) -> list[Middleware]:
    """Create the chain of middlewares, outermost first. Without `access`, requests are not authenticated."""
    return [_identified, _explained, *([make_access(access)] if access is not None else [])]


@web.middleware
async def _identified(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id for the log and the client: the caller's if it is safe to log, or a new one."""
    client_id = request.headers.get(REQUEST_ID, "")
    request_id = client_id if _SAFE_ID.match(client_id) else str(uuid.uuid4())
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        response = await handler(request)
    if not response.prepared:
        response.headers[REQUEST_ID] = request_id
    return response


@web.middleware
async def _explained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Convert every error to problem details."""
    try:
        return await handler(request)
    except web.HTTPRedirection:
        raise
    except web.HTTPException as error:
        details = problem_of_http(error, request.method, request.path)
        return problem_response(details, {k: v for k, v in error.headers.items() if k == "Allow"})
    except KleverError as error:
        known = problem_of(error)
        if known is None:
            log.exception("request failed", method=request.method, path=request.path)
        return problem_response(known or INTERNAL)
    except Exception:
        log.exception("request failed", method=request.method, path=request.path)
        return problem_response(INTERNAL)
