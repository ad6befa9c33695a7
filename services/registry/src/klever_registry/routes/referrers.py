"""GET /v2/<name>/referrers/<digest>."""

from typing import Any

from aiohttp import web

from klever_registry.domain.manifests import Descriptor
from klever_registry.domain.media_types import OCI_INDEX
from klever_registry.service.distribution import Distribution

from .base import digest, repository


def add_routes(app: web.Application, distribution: Distribution) -> None:
    """Mount it."""

    async def referrers(request: web.Request) -> web.Response:
        wanted = request.query.get("artifactType")
        found = await distribution.referrers(repository(request), digest(request), wanted)
        filtered = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
        return web.json_response(_index(found), content_type=OCI_INDEX, headers=filtered)

    app.router.add_get("/v2/{name:.+}/referrers/{digest}", referrers)


def _index(descriptors: list[Descriptor]) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [each.as_json() for each in descriptors]}
