"""What runs here, and where."""

from aiohttp import web

from klever_gateway.routes.common.keys import PLATFORM
from klever_gateway.routes.common.operation import BASE, JSON, Operation, Success
from klever_gateway.routes.schemas.answers import PlatformInfo, Urls


async def get_platform(request: web.Request) -> web.Response:
    """Version and addresses."""
    told = request.app[PLATFORM]
    urls = Urls(gateway=told.gateway, registry=told.registry, ingress=told.ingress)
    info = PlatformInfo(version=told.version, urls=urls)
    return web.Response(text=info.model_dump_json(), content_type=JSON)


OPERATIONS = (
    Operation(
        id="getPlatform",
        method="GET",
        path=f"{BASE}/platform",
        handler=get_platform,
        tag="platform",
        summary="Tell what runs here and where its doors are",
        success=Success(
            description="Version and addresses.",
            model=PlatformInfo,
            example={
                "version": "0.1.0",
                "urls": {
                    "gateway": "http://127.0.0.1:8080",
                    "registry": "http://127.0.0.1:5000",
                    "ingress": "http://127.0.0.1:8081",
                },
            },
        ),
    ),
)
