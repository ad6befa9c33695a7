"""An in-memory OCI registry that answers as a test scripts it, and records its requests."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from ormb.adapters.credentials import Credentials
from ormb.reference import Reference

ANN = Credentials("ann", "secret")
BASIC_CHALLENGE, BEARER_CHALLENGE = 'Basic realm="a, b"', 'Bearer realm="http://{host}/token",service="s"'

Script = Callable[[web.Request], web.Response | None]
"""Answers instead of the registry, or returns None to let the registry answer."""


@dataclass(frozen=True)
class Asked:
    """A received request."""

    method: str
    target: str
    """Path and query, unchanged."""
    authorization: str | None
    range: str | None
    cookie: str | None = None


@dataclass
class ScriptedRegistry:
    """Stores and serves any blob and manifest; `script` handles each request first."""

    script: Script = lambda _request: None
    is_deaf: Callable[[web.Request], bool] = lambda _request: False
    """Selects requests whose body is not read, and which are never answered."""
    requests: list[Asked] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    host: str = ""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[str]:
        """Serve on a free port. Yields host:port."""
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{rest:.*}", self._answer)
        server = TestServer(application, host=host, scheme="https" if tls else "http")
        await server.start_server(ssl=tls)
        self.host = f"{host}:{server.port}"
        try:
            yield self.host
        finally:
            self.ended.set()
            await server.close()

    @property
    def reference(self) -> Reference:
        """A reference in this registry."""
        return Reference(self.host, "m", "v1")

    def targets(self, method: str) -> list[str]:
        """The targets of the requests with a method."""
        return [request.target for request in self.requests if request.method == method]

    async def _answer(self, request: web.Request) -> web.Response:
        headers = request.headers
        self.requests.append(
            Asked(
                request.method,
                request.raw_path,
                headers.get("Authorization"),
                headers.get("Range"),
                headers.get("Cookie"),
            )
        )
        if self.is_deaf(request):
            await self.ended.wait()
            return web.Response(status=503)
        body = await request.read()
        scripted = self.script(request)
        if scripted is not None:
            return scripted
        kind, _, name = request.path.removeprefix("/v2/").rpartition("/")
        if kind.endswith("/blobs/uploads"):
            return self._upload(request, name, body)
        if kind.endswith("/blobs"):
            return self._blob(request, name)
        if kind.endswith("/manifests"):
            return self._manifest(request, name, body)
        return web.json_response({})

    def _upload(self, request: web.Request, name: str, body: bytes) -> web.Response:
        if request.method == "POST":
            name = str(len(self.requests))
            self.uploads[name] = b""
            return web.Response(status=202, headers={"Location": f"/v2/m/blobs/uploads/{name}?_state=a%2Bb%27%3D"})
        if name not in self.uploads or "_state=a%2Bb%27%3D" not in request.raw_path:
            return web.Response(status=404)
        self.uploads[name] += body
        if request.method == "PUT":
            digest = request.query["digest"]
            content = self.uploads.pop(name)
            if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
                return web.Response(status=400)
            self.blobs[digest] = content
            return web.Response(status=201)
        range_ = {"Range": f"0-{len(self.uploads[name]) - 1}"} if self.uploads[name] else {}
        return web.Response(status=202, headers={"Location": request.raw_path, **range_})

    def _blob(self, request: web.Request, digest: str) -> web.Response:
        if digest not in self.blobs:
            return web.Response(status=404)
        return self.content(request, self.blobs[digest])

    def content(self, request: web.Request, content: bytes) -> web.Response:
        """The bytes, or the requested range of them."""
        start = request.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
        if not start:
            return web.Response(body=content)
        return web.Response(status=206, body=content[int(start) :])

    def _manifest(self, request: web.Request, name: str, body: bytes) -> web.Response:
        if request.method == "PUT":
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            self.manifests[name] = self.manifests[digest] = (body, request.headers["Content-Type"])
            return web.Response(status=201)
        if name not in self.manifests:
            return web.Response(status=404)
        content, media_type = self.manifests[name]
        return web.Response(body=content, headers={"Content-Type": media_type})


def wants(authorization: str, *challenges: str) -> Script:
    """Requires a login with these header lines and accepts one Authorization. Issues the token `t` to ann."""

    def answer(request: web.Request) -> web.Response | None:
        credentials = request.headers.get("Authorization")
        if request.path == "/token":
            return web.json_response({"token": "t"}) if credentials == ANN.basic else web.Response(status=401)
        if credentials == authorization:
            return None
        response = web.Response(status=401)
        for challenge in challenges:
            response.headers.add("WWW-Authenticate", challenge.format(host=request.host))
        return response

    return answer
