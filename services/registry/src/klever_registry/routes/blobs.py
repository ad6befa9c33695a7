"""GET, HEAD and DELETE /v2/<name>/blobs/<digest>."""

from contextlib import aclosing

from aiohttp import web

from klever_registry.domain.media_types import OCTET_STREAM
from klever_registry.domain.ranges import parse_range
from klever_registry.service.distribution import Distribution

from .base import CONTENT_DIGEST, digest, repository


def add_routes(app: web.Application, distribution: Distribution) -> None:
    """Add the routes of blobs."""

    async def read(request: web.Request) -> web.StreamResponse:
        size = await distribution.blobs.size(repository(request), digest(request))
        selected = parse_range(request.headers.get("Range"), size)
        response = _response(digest(request), selected, size)
        await response.prepare(request)
        if request.method != "HEAD":
            await _send(request, response, distribution, selected or range(size))
        return response

    async def delete(request: web.Request) -> web.Response:
        await distribution.blobs.delete(repository(request), digest(request))
        return web.Response(status=202)

    resource = app.router.add_resource("/v2/{name:.+}/blobs/{digest}")
    resource.add_route("GET", read)
    resource.add_route("HEAD", read)
    resource.add_route("DELETE", delete)


def _response(name: str, selected: range | None, size: int) -> web.StreamResponse:
    headers = {CONTENT_DIGEST: name, "Accept-Ranges": "bytes", "Content-Type": OCTET_STREAM}
    if selected is not None:
        headers["Content-Range"] = f"bytes {selected.start}-{selected.stop - 1}/{size}"
    response = web.StreamResponse(status=200 if selected is None else 206, headers=headers)
    response.content_length = size if selected is None else len(selected)
    return response


async def _send(
    request: web.Request, response: web.StreamResponse, distribution: Distribution, selected: range
) -> None:
    async with aclosing(distribution.blobs.read(repository(request), digest(request), selected)) as pieces:
        async for piece in pieces:  # `aclosing` closes the file as soon as a client disconnects
            await response.write(piece)
    await response.write_eof()
