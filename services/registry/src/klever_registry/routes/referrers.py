"""GET /v2/<name>/referrers/<digest>, with pagination."""

import json
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from klever_registry.domain.manifests import Descriptor
from klever_registry.domain.media_types import OCI_INDEX
from klever_registry.domain.pages import parse_limit
from klever_registry.service.distribution import Distribution

from .base import digest, repository


def add_routes(app: web.Application, distribution: Distribution) -> None:
    """Add the route."""

    async def referrers(request: web.Request) -> web.Response:
        artifact_type = request.query.get("artifactType")
        limit, last = parse_limit(request.query.get("n")), request.query.get("last")
        page = await distribution.referrers.page(
            repository(request), digest(request), artifact_type, limit=limit, last=last
        )
        filtered = {"OCI-Filters-Applied": "artifactType"} if artifact_type else {}
        headers = {"Content-Type": OCI_INDEX, **filtered}  # clients compare the type, so it must have no charset
        if page.last is not None:
            following = {key: value for key, value in request.query.items() if key != "last"} | {"last": page.last}
            headers["Link"] = f'<{request.path}?{urlencode(following)}>; rel="next"'
        return web.Response(body=json.dumps(_index(page.descriptors)).encode(), headers=headers)

    app.router.add_get("/v2/{name:.+}/referrers/{digest}", referrers)


def _index(descriptors: list[Descriptor]) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [each.as_json() for each in descriptors]}
