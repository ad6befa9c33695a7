"""A registry with one model behind a login: Basic, or Bearer tokens from an endpoint of its own."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from support import oci_artifacts as oci

USER, PASSWORD = "robot$ci", "s3cret"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass
class GuardedRegistry:
    """Serves `library/iris:v1` to those who may have it."""

    scheme: str
    """`basic` or `bearer`."""
    model: oci.Artifact = field(default_factory=oci.model)
    scopes: list[str] = field(default_factory=list)
    """What tokens were asked for."""
    host: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["GuardedRegistry"]:
        """Serve on a free port."""
        application = web.Application()
        application.router.add_get("/token", self._token)
        application.router.add_get("/v2/", self._ping)
        application.router.add_get("/v2/library/iris/manifests/v1", self._manifest)
        async with TestServer(application) as server:
            self.host = f"127.0.0.1:{server.port}"
            yield self

    async def _token(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != BASIC:
            return web.Response(status=401)
        self.scopes.append(request.query.get("scope", ""))
        return web.json_response({"token": f"for {request.query.get('scope', '')}"})

    async def _ping(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.json_response({})

    async def _manifest(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.Response(body=self.model.manifest, content_type=oci.OCI_MANIFEST)

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.scheme == "basic":
            wanted, challenge = BASIC, 'Basic realm="registry"'
        else:
            wanted = "Bearer for repository:library/iris:pull"
            challenge = f'Bearer realm="http://{self.host}/token",service="registry"'
        if request.headers.get("Authorization") == wanted:
            return None
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})
