"""PUT, GET, HEAD and DELETE /v2/<name>/manifests/<tag or digest>."""

from aiohttp import web
from multidict import CIMultiDict

from klever_registry.domain.manifests import Manifest
from klever_registry.errors import TooLargeError
from klever_registry.service.distribution import Distribution

from .base import CONTENT_DIGEST, PREFIX, repository


def add_routes(app: web.Application, distribution: Distribution, *, max_manifest_bytes: int) -> None:
    """Add the routes of manifests."""

    async def push(request: web.Request) -> web.Response:
        content = await _content(request, max_manifest_bytes)
        media_type = request.headers.get("Content-Type")
        tags = request.query.getall("tag", [])
        manifest = await distribution.push(repository(request), _reference(request), content, media_type, tags)
        return web.Response(status=201, headers=_pushed(request, manifest, tags))

    async def pull(request: web.Request) -> web.Response:
        manifest = await distribution.pull(repository(request), _reference(request))
        headers = {CONTENT_DIGEST: manifest.digest, "Content-Type": manifest.media_type}
        return web.Response(body=manifest.content, headers=headers)

    async def delete(request: web.Request) -> web.Response:
        await distribution.delete(repository(request), _reference(request))
        return web.Response(status=202)

    resource = app.router.add_resource("/v2/{name:.+}/manifests/{reference}")
    resource.add_route("PUT", push)
    resource.add_route("GET", pull)
    resource.add_route("HEAD", pull)
    resource.add_route("DELETE", delete)


def _reference(request: web.Request) -> str:
    return request.match_info["reference"]


async def _content(request: web.Request, limit: int) -> bytes:
    content = bytearray()
    async for data in request.content.iter_any():
        content.extend(data)
        if len(content) > limit:
            raise TooLargeError(f"a manifest may have {limit} bytes: put large content into blobs")
    return bytes(content)


def _pushed(request: web.Request, manifest: Manifest, tags: list[str]) -> CIMultiDict[str]:
    location = f"{PREFIX}/{request.match_info['name']}/manifests/{manifest.digest}"
    headers = CIMultiDict({"Location": location, CONTENT_DIGEST: manifest.digest})
    if manifest.subject:
        headers["OCI-Subject"] = manifest.subject
    for tag in tags:
        headers.add("OCI-Tag", tag)
    return headers
