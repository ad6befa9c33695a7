"""The OCI distribution API under /v2/."""

from aiohttp import web

from klever_registry.service.distribution import Distribution

from . import base, blobs, manifests, referrers, repositories, tags, uploads
from .access import guard
from .base import plain_bodies, refusal, refusals
from .catalogue import add_catalogue
from .webhooks import add_webhooks

__all__ = ["add_catalogue", "add_routes", "add_webhooks", "guard", "plain_bodies", "refusal", "refusals"]


def add_routes(app: web.Application, distribution: Distribution, *, max_manifest_bytes: int) -> None:
    """Add all routes. Paths with a fixed part after the name must precede the general ones."""
    app.on_response_prepare.append(base.add_version)
    app.router.add_get("/v2/", base.ping)
    app.router.add_get("/v2", base.ping)
    repositories.add_routes(app, distribution)
    uploads.add_routes(app, distribution)
    blobs.add_routes(app, distribution)
    manifests.add_routes(app, distribution, max_manifest_bytes=max_manifest_bytes)
    tags.add_routes(app, distribution)
    referrers.add_routes(app, distribution)
    app.router.add_route("*", "/v2/{rest:.*}", base.unknown)
