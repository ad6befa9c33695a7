"""Middlewares of every request: tracing, request id, metrics, errors as problem details, authentication."""

import re
import time
import uuid

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry import propagate, trace
from prometheus_client import CollectorRegistry, Histogram

from kleverkit.errors import KleverError
from kleverproto import codes

from .access import Access, make_access, route_of
from .problems import problem, problem_of, problem_of_http, problem_response

REQUEST_ID = "X-Request-Id"
CLIENT_LEFT = "499"
"""Status in metrics for a request whose client disconnected before the response."""
INTERNAL = problem(500, codes.INTERNAL, "internal error of the gateway: search its log for the id of this request")

_SAFE_ID = re.compile(r"^[A-Za-z0-9._-]{1,128}$")

log = structlog.get_logger(__name__)


def make_middlewares(tracer: trace.Tracer, metrics: CollectorRegistry, access: Access | None) -> list[Middleware]:
    """Create the chain of middlewares, outermost first. Without `access`, requests are not authenticated."""
    seconds = Histogram(
        "klever_gateway_request_seconds",
        "Duration of requests until the response was complete.",
        ("method", "route", "status"),
        registry=metrics,
    )
    authorized = [make_access(access)] if access is not None else []
    return [_traced(tracer), _identified, _measured(seconds), _explained, *authorized]


def _traced(tracer: trace.Tracer) -> Middleware:
    """Create the middleware that opens a server span, which continues the caller's trace."""

    @web.middleware
    async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = f"{request.method} {route_of(request)}"
        context = propagate.extract(request.headers)
        attributes = {"http.request.method": request.method, "http.route": route_of(request)}
        kind = trace.SpanKind.SERVER
        with tracer.start_as_current_span(name, context, kind, attributes) as span:
            response = await handler(request)
            span.set_attribute("http.response.status_code", response.status)
            return response

    return traced


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


def _measured(seconds: Histogram) -> Middleware:
    """Create the middleware that measures requests by the route's template: names do not become labels."""

    @web.middleware
    async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
        began, status = time.perf_counter(), CLIENT_LEFT
        try:
            response = await handler(request)
            status = str(response.status)
            return response
        finally:
            seconds.labels(request.method, route_of(request), status).observe(time.perf_counter() - began)

    return measured


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
