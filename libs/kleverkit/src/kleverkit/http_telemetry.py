"""Spans and metrics of HTTP servers, as in the semantic conventions of OpenTelemetry."""

import time

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry import propagate, trace
from prometheus_client import CollectorRegistry

from kleverproto.metrics import HTTP_DURATION

from .metrics import histogram, observe

CLIENT_LEFT = "499"
"""Status in metrics for a request whose client disconnected before the response."""
OTHER = "_OTHER"
"""Method in metrics for methods that are not standard, since clients may send any word."""
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics", "/metrics/ingress"})
"""Routes without spans: probes and scrapes would outnumber all others."""
SERVER_ERROR = 500


def route_of(request: web.Request) -> str:
    """Return the router's template of the path."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def measured(metrics: CollectorRegistry) -> Middleware:
    """Create the middleware that measures requests by the route's template: names do not become labels."""
    duration = histogram(HTTP_DURATION, metrics)

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        began, status = time.perf_counter(), CLIENT_LEFT
        try:
            response = await handler(request)
        except web.HTTPException as error:
            status = str(error.status)
            raise
        except Exception:
            status = str(SERVER_ERROR)
            raise
        else:
            status = str(response.status)
            return response
        finally:
            method = request.method if request.method in hdrs.METH_ALL else OTHER
            observe(duration.labels(method, route_of(request), status), time.perf_counter() - began)

    return measure


def traced(tracer: trace.Tracer) -> Middleware:
    """Create the middleware that opens a server span, which continues the caller's trace."""

    @web.middleware
    async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_of(request)
        if route in UNTRACED:
            return await handler(request)
        attributes = {"http.request.method": request.method, "http.route": route, "url.path": request.path}
        context = propagate.extract(request.headers)
        with tracer.start_as_current_span(
            f"{request.method} {route}", context, trace.SpanKind.SERVER, attributes
        ) as span:
            response = await handler(request)
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= SERVER_ERROR:
                span.set_status(trace.StatusCode.ERROR)
            return response

    return trace_request
