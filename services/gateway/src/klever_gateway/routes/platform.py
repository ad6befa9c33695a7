"""The platform: its version and addresses."""

from aiohttp import web

from klever_gateway.routes.common.keys import PLATFORM
from klever_gateway.routes.common.operation import BASE, JSON, Operation, Success
from klever_gateway.routes.schemas.answers import PlatformInfo, Urls


async def get_platform(request: web.Request) -> web.Response:
    """Return the version and the addresses of the platform."""
    addresses = request.app[PLATFORM]
    urls = Urls(gateway=addresses.gateway, registry=addresses.registry, ingress=addresses.ingress)
    info = PlatformInfo(version=addresses.version, urls=urls)
    return web.Response(text=info.model_dump_json(), content_type=JSON)


OPERATIONS = (
    Operation(
        id="getPlatform",
        method="GET",
        path=f"{BASE}/platform",
        handler=get_platform,
        tag="platform",
        summary="Get the version and the addresses of the platform",
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
