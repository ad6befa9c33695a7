"""/v2/<name>/blobs/uploads/: uploads of blobs, in one request or in chunks, and mounts."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from aiohttp import web

from klever_registry.domain import names
from klever_registry.domain.ranges import parse_chunk, upload_range
from klever_registry.errors import ChunkOutOfOrderError, DigestInvalidError, SizeInvalidError
from klever_registry.service.blobs import Body
from klever_registry.service.distribution import Distribution

from .access import MOUNTED_FROM
from .base import CONTENT_DIGEST, PREFIX, blob_location, repository


def add_routes(app: web.Application, distribution: Distribution) -> None:
    """Add the routes of uploads."""
    uploads = Upload(distribution)
    start = app.router.add_resource("/v2/{name:.+}/blobs/uploads/")
    start.add_route("POST", uploads.begin)
    one = app.router.add_resource("/v2/{name:.+}/blobs/uploads/{upload}")
    one.add_route("GET", uploads.status)
    one.add_route("PATCH", uploads.append)
    one.add_route("PUT", uploads.finish)
    one.add_route("DELETE", uploads.cancel)


class Upload:
    """The routes of uploads."""

    def __init__(self, distribution: Distribution) -> None:
        self._blobs = distribution.blobs
        self._uploads = distribution.blobs.uploads

    async def begin(self, request: web.Request) -> web.Response:
        """POST: start an upload, store the whole body with `digest`, or mount a blob with `mount`."""
        if await self._mounted(request):
            return _created(request, request.query["mount"])
        if "digest" in request.query:
            digest = names.digest(request.query["digest"])
            body = Body(_body(request), announced=request.content_length)
            await self._blobs.upload_whole(repository(request), digest, body)
            return _created(request, digest)
        return _progress(request, await self._blobs.begin_upload(repository(request)), 0, status=202)

    async def status(self, request: web.Request) -> web.Response:
        """GET: return the number of received bytes."""
        upload = request.match_info["upload"]
        return _progress(request, upload, await self._uploads.offset(repository(request), upload), status=204)

    async def append(self, request: web.Request) -> web.Response:
        """PATCH: append a chunk."""
        upload = request.match_info["upload"]
        with _located(request, upload):
            offset = await self._blobs.append(repository(request), upload, _chunk(request))
        return _progress(request, upload, offset, status=202)

    async def finish(self, request: web.Request) -> web.Response:
        """PUT: append the last chunk, which may be empty, and verify the digest."""
        if "digest" not in request.query:
            raise DigestInvalidError("the query has no digest: finish the upload with ?digest=<digest of the blob>")
        digest, upload = names.digest(request.query["digest"]), request.match_info["upload"]
        with _located(request, upload):
            await self._blobs.finish(repository(request), upload, digest, _chunk(request))
        return _created(request, digest)

    async def cancel(self, request: web.Request) -> web.Response:
        """DELETE: cancel the upload."""
        await self._uploads.cancel(repository(request), request.match_info["upload"])
        return web.Response(status=204)

    async def _mounted(self, request: web.Request) -> bool:
        """Mount the blob from `from` if possible. Otherwise the client must upload it."""
        mount, source = request.query.get("mount"), request.get(MOUNTED_FROM)
        if not mount or not source:
            return False
        return await self._blobs.mount(repository(request), names.digest(mount), source=source)


@contextmanager
def _located(request: web.Request, upload: str) -> Iterator[None]:
    """Add the location and offset of the upload to the error for a chunk out of order."""
    try:
        yield
    except ChunkOutOfOrderError as error:
        error.headers.update(_headers(request, upload, error.offset))
        raise


def _chunk(request: web.Request) -> Body:
    chunk = parse_chunk(request.headers.get("Content-Range"), request.content_length)
    if chunk is None:
        return Body(_body(request), announced=request.content_length)
    return Body(_counted(request, chunk.size), start=chunk.start, announced=chunk.size)


async def _counted(request: web.Request, size: int) -> AsyncIterator[bytes]:
    """Yield the body. Raises SizeInvalidError at the end if its size is not the announced one."""
    received = 0
    async for data in _body(request):
        received += len(data)
        yield data
    if received != size:
        raise SizeInvalidError(f"Content-Range announces {size} bytes, but {received} were received")


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the bytes of the body as they arrive."""
    async for data in request.content.iter_any():
        yield data


def _headers(request: web.Request, upload: str, offset: int) -> dict[str, str]:
    location = f"{PREFIX}/{request.match_info['name']}/blobs/uploads/{upload}"
    return {"Location": location, "Range": upload_range(offset), "Docker-Upload-UUID": upload}


def _progress(request: web.Request, upload: str, offset: int, *, status: int) -> web.Response:
    return web.Response(status=status, headers=_headers(request, upload, offset))


def _created(request: web.Request, digest: str) -> web.Response:
    return web.Response(status=201, headers={"Location": blob_location(request, digest), CONTENT_DIGEST: digest})
