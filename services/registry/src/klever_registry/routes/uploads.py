"""/v2/<name>/blobs/uploads/: blobs in, in one request or in chunks, or mounted from another repository."""

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
    """Mount them."""
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
        """POST: start an upload; with `digest` the whole blob is in the body; with `mount` it is somewhere else."""
        if await self._mounted(request):
            return _created(request, request.query["mount"])
        if "digest" in request.query:
            digest = names.digest(request.query["digest"])
            body = Body(_body(request), announced=request.content_length)
            await self._blobs.upload_whole(repository(request), digest, body)
            return _created(request, digest)
        return _progress(request, await self._blobs.begin_upload(repository(request)), 0, status=202)

    async def status(self, request: web.Request) -> web.Response:
        """GET: how many bytes have come."""
        upload = request.match_info["upload"]
        return _progress(request, upload, await self._uploads.offset(repository(request), upload), status=204)

    async def append(self, request: web.Request) -> web.Response:
        """PATCH: the next chunk."""
        upload = request.match_info["upload"]
        with _located(request, upload):
            offset = await self._blobs.append(repository(request), upload, _chunk(request))
        return _progress(request, upload, offset, status=202)

    async def finish(self, request: web.Request) -> web.Response:
        """PUT: the last chunk, which may be empty, and the digest of it all."""
        if "digest" not in request.query:
            raise DigestInvalidError("end the upload with ?digest=<digest of the blob>")
        digest, upload = names.digest(request.query["digest"]), request.match_info["upload"]
        with _located(request, upload):
            await self._blobs.finish(repository(request), upload, digest, _chunk(request))
        return _created(request, digest)

    async def cancel(self, request: web.Request) -> web.Response:
        """DELETE: give the upload up."""
        await self._uploads.cancel(repository(request), request.match_info["upload"])
        return web.Response(status=204)

    async def _mounted(self, request: web.Request) -> bool:
        """Whether the blob could be had from `from`; if not, the client is to upload it."""
        mount, source = request.query.get("mount"), request.get(MOUNTED_FROM)
        if not mount or not source:
            return False
        return await self._blobs.mount(repository(request), names.digest(mount), source=source)


@contextmanager
def _located(request: web.Request, upload: str) -> Iterator[None]:
    """A chunk out of order is answered with where the upload is."""
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
    """Raises SizeInvalidError at the end where fewer or more bytes came than were announced."""
    came = 0
    async for data in _body(request):
        came += len(data)
        yield data
    if came != size:
        raise SizeInvalidError(f"Content-Range announces {size} bytes, {came} came")


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    """What the network has, when it has it."""
    async for data in request.content.iter_any():
        yield data


def _headers(request: web.Request, upload: str, offset: int) -> dict[str, str]:
    location = f"{PREFIX}/{request.match_info['name']}/blobs/uploads/{upload}"
    return {"Location": location, "Range": upload_range(offset), "Docker-Upload-UUID": upload}


def _progress(request: web.Request, upload: str, offset: int, *, status: int) -> web.Response:
    return web.Response(status=status, headers=_headers(request, upload, offset))


def _created(request: web.Request, digest: str) -> web.Response:
    return web.Response(status=201, headers={"Location": blob_location(request, digest), CONTENT_DIGEST: digest})
