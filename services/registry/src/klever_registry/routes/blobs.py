"""GET, HEAD and DELETE /v2/<name>/blobs/<digest>."""

from contextlib import aclosing

from aiohttp import web

from klever_registry.domain.media_types import OCTET_STREAM
from klever_registry.domain.ranges import parse_range
from klever_registry.service.distribution import Distribution

from .base import CONTENT_DIGEST, digest, repository


def add_routes(app: web.Application, distribution: Distribution) -> None:
    """Mount them."""

    async def read(request: web.Request) -> web.StreamResponse:
        size = await distribution.blobs.size(repository(request), digest(request))
        wanted = parse_range(request.headers.get("Range"), size)
        response = _response(digest(request), wanted, size)
        await response.prepare(request)
        if request.method != "HEAD":
            await _send(request, response, distribution, wanted or range(size))
        return response

    async def delete(request: web.Request) -> web.Response:
        await distribution.blobs.delete(repository(request), digest(request))
        return web.Response(status=202)

    resource = app.router.add_resource("/v2/{name:.+}/blobs/{digest}")
    resource.add_route("GET", read)
    resource.add_route("HEAD", read)
    resource.add_route("DELETE", delete)


def _response(name: str, wanted: range | None, size: int) -> web.StreamResponse:
    headers = {CONTENT_DIGEST: name, "Accept-Ranges": "bytes", "Content-Type": OCTET_STREAM}
    if wanted is not None:
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    response = web.StreamResponse(status=200 if wanted is None else 206, headers=headers)
    response.content_length = size if wanted is None else len(wanted)
    return response


async def _send(request: web.Request, response: web.StreamResponse, distribution: Distribution, wanted: range) -> None:
    async with aclosing(distribution.blobs.read(repository(request), digest(request), wanted)) as pieces:
        async for piece in pieces:  # a client that disconnects must not keep the file open until it is collected
            await response.write(piece)
    await response.write_eof()
