"""What all parts of the API share: the version, errors as the specification wants them, names from paths."""

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
    """GET /v2/: the registry speaks this API."""
    return web.json_response({})


async def unknown(request: web.Request) -> web.Response:
    """Everything that the API does not have."""
    raise UnsupportedError(f"there is no {request.method} {request.path}")


async def add_version(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Signal: older clients look for this header on every answer."""
    if request.path.startswith(PREFIX):
        response.headers.setdefault(*VERSION)


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn our errors into the answer that the distribution specification wants."""
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
    """Refuse what is compressed for the transfer: a blob's digest is of its bytes, and few bytes can unpack to many."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise UnsupportedEncodingError(
            f"this registry takes bodies as they are, not with Content-Encoding {coding[:40]}: send them without",
            headers={"Accept-Encoding": "identity"},
        )
    return await handler(request)


def refusal(status: int, message: str) -> web.Response:
    """The answer to a request that no handler sees."""
    problem = {"code": UnsupportedError.oci_code, "message": message}
    return web.json_response({"errors": [problem]}, status=status)


def repository(request: web.Request) -> str:
    """The repository in the path. Raises NameInvalidError."""
    return names.repository_name(request.match_info["name"])


def digest(request: web.Request) -> str:
    """The digest in the path. Raises DigestInvalidError."""
    return names.digest(request.match_info["digest"])


def blob_location(request: web.Request, blob: str) -> str:
    """Where a blob can be read, under the name by which the client knows the repository."""
    return f"{PREFIX}/{request.match_info['name']}/blobs/{blob}"
