"""Middleware for all handlers: errors in the protocol's JSON, and the metrics of inference requests."""

import logging
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .access import HEADER, Access
from .errors import ApiError, ForbiddenError
from .lifecycle import Lifecycle
from .metrics import Metrics
from .openscoring_routes import BASE as OPENSCORING
from .routes import json_response

log = logging.getLogger(__name__)


def make_middleware(lifecycle: Lifecycle, metrics: Metrics, access: Access) -> Middleware:
    """Return middleware that checks the key, formats errors as `{"error": …}` and counts inference requests."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            access.check_request(request.path, request.headers.get(HEADER))
        except ForbiddenError as error:
            return json_response({"error": str(error)}, status=error.status)
        if not _is_inference(request):
            return await _answer(request, handler)
        started = perf_counter()
        with lifecycle.work():
            response = await _answer(request, handler)
        metrics.observe(code=response.status, seconds=perf_counter() - started)
        if not lifecycle.ready:
            response.force_close()  # the client's next request should use another server
        return response

    return middleware


def _is_inference(request: web.Request) -> bool:
    """Return whether a request runs the model, also by OpenScoring's paths. The shutdown waits for such requests."""
    return request.path.endswith("/infer") or (request.method == "POST" and request.path.startswith(OPENSCORING))


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        response = json_response({"error": str(error)}, status=error.status)
        response.headers.update(error.headers)
        return response
    except web.HTTPException as error:
        return _http_error(request, error)
    except Exception as error:
        log.exception("%s %s failed", request.method, request.path)
        return json_response({"error": f"the server failed: {type(error).__name__}: {error}"}, status=500)


def _http_error(request: web.Request, error: web.HTTPException) -> web.Response:
    response = json_response({"error": f"{request.method} {request.path}: {error.reason}"}, status=error.status)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
