"""A registry with one model that requires a login: Basic, or Bearer tokens from its own endpoint."""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from support import oci_artifacts as oci

USER, PASSWORD, IDENTITY = "robot$ci", "s3cret", "identity-1"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass
class GuardedRegistry:
    """Serves `library/iris:v1` to authorised clients."""

    scheme: str
    """`basic`, `bearer`, or `anonymous`, which requires no login."""
    model: oci.Artifact = field(default_factory=oci.model)
    scopes: list[str] = field(default_factory=list)
    """The scopes of the requested tokens."""
    tokens: set[str] = field(default_factory=set)
    """The issued tokens that have not expired."""
    host: str = ""

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["GuardedRegistry"]:
        """Serve on a free port."""
        application = web.Application()
        application.router.add_get("/token", self._token)
        application.router.add_post("/token", self._token_for_identity)
        application.router.add_get("/v2/", self._ping)
        application.router.add_get("/v2/library/iris/manifests/v1", self._manifest)
        server = TestServer(application, scheme="https" if tls else "http")
        await server.start_server(ssl=tls)
        self.host = f"127.0.0.1:{server.port}"
        try:
            yield self
        finally:
            await server.close()

    async def _token(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != BASIC:
            return web.Response(status=401)
        return web.json_response({"token": self._issued(request.query.get("scope", ""))})

    async def _token_for_identity(self, request: web.Request) -> web.Response:
        """OAuth 2: an identity token is exchanged for an access token."""
        form = await request.post()
        if (form.get("grant_type"), form.get("refresh_token")) != ("refresh_token", IDENTITY):
            return web.Response(status=401)
        return web.json_response({"access_token": self._issued(str(form.get("scope")))})

    def _issued(self, scope: str) -> str:
        self.scopes.append(scope)
        token = f"{len(self.scopes)}.{scope}"
        if scope == "repository:library/iris:pull":
            self.tokens.add(token)
        return token

    async def _ping(self, request: web.Request) -> web.Response:
        issued = {f"Bearer {number}.{scope}" for number, scope in enumerate(self.scopes, 1)}
        if request.headers.get("Authorization") in issued:
            return web.json_response({})  # like CNCF distribution: any token will do here
        return self._refusal(request) or web.json_response({})

    async def _manifest(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.Response(body=self.model.manifest, content_type=oci.OCI_MANIFEST)

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.scheme == "anonymous":
            return None
        if self.scheme == "basic":
            wanted, challenge = {BASIC}, 'Basic realm="registry"'
        else:
            wanted = {f"Bearer {token}" for token in self.tokens}
            challenge = f'Bearer realm="http://{self.host}/token",service="registry"'
        if request.headers.get("Authorization") in wanted:
            return None
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})
