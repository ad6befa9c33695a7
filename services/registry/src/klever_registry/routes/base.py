"""Shared parts of the routes: the version header, errors of the specification, names in paths."""

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from klever_registry.domain import names
from klever_registry.errors import (
    DistributionError,
    StorageError,
    UnsupportedEncodingError,
    UnsupportedError,
    UsageUnknownError,
)

log = structlog.get_logger(__name__)

PREFIX = "/v2"
VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")
CONTENT_DIGEST = "Docker-Content-Digest"


async def ping(_request: web.Request) -> web.Response:
    """Handle GET /v2/, with which clients check the support of the API."""
    return web.json_response({})


async def unknown(request: web.Request) -> web.Response:
    """Reject requests for unknown paths."""
    raise UnsupportedError(f"the API has no {request.method} {request.path}")


async def add_version(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Add the version header when a response is prepared: older clients require it."""
    if request.path.startswith(PREFIX):
        response.headers.setdefault(*VERSION)


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Convert errors to responses of the distribution specification."""
    try:
        return await handler(request)
    except DistributionError as error:
        problem = {"code": error.oci_code, "message": str(error), "detail": error.detail}
        return web.json_response({"errors": [problem]}, status=error.status, headers=error.headers)
    except (StorageError, UsageUnknownError) as error:
        log.error(error.code, path=request.path, error=str(error))  # noqa: TRY400 - the message says it all
        problem = {"code": error.oci_code, "message": str(error), "detail": {}}
        return web.json_response({"errors": [problem]}, status=error.status)


@web.middleware
async def plain_bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reject bodies with a Content-Encoding: digests are of plain bytes, and few bytes could unpack to many."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise UnsupportedEncodingError(
            f"this registry does not support Content-Encoding {coding[:40]}: send the body without it",
            headers={"Accept-Encoding": "identity"},
        )
    return await handler(request)


def refusal(status: int, message: str) -> web.Response:
    """Return the response to a request that is rejected before it reaches a handler."""
    problem = {"code": UnsupportedError.oci_code, "message": message}
    return web.json_response({"errors": [problem]}, status=status)


def repository(request: web.Request) -> str:
    """Return the repository in the path. Raises NameInvalidError."""
    return names.repository_name(request.match_info["name"])


def digest(request: web.Request) -> str:
    """Return the digest in the path. Raises DigestInvalidError."""
    return names.digest(request.match_info["digest"])


def blob_location(request: web.Request, blob: str) -> str:
    """Return the path of a blob, with the repository's name as the client has written it."""
    return f"{PREFIX}/{request.match_info['name']}/blobs/{blob}"
