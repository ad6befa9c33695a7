"""A registry that redirects `ormb` in any way: the other host gets no password, token or cookie."""

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import ThreadedResolver, web
from aiohttp.abc import ResolveResult

from ormb.adapters.api import RegistryApi
from ormb.adapters.challenge import Authorizer
from ormb.adapters.http import HttpRegistry
from ormb.adapters.sessions import UploadSessions
from ormb.adapters.tls import verification
from ormb.adapters.transport import Transport
from ormb.client import OrmbClient
from ormb.digest import digest_file
from ormb.errors import OrmbError
from ormb.manifest import Descriptor
from ormb.mediatypes import OCI_MANIFEST
from ormb.packed import Content
from ormb.ports import Silent
from ormb.reference import Reference
from support.scripted_registry import ANN, BASIC_CHALLENGE, Script, ScriptedRegistry, wants
from support.small_models import adder

Trap = Callable[[str], Script]
"""Given a target, returns a registry that redirects its clients there once they have logged in."""
ELSEWHERE_CHALLENGES = ('Basic realm="r"', 'Bearer realm="http://{host}/token",service="s"')


@pytest.fixture
async def registry() -> AsyncIterator[ScriptedRegistry]:
    scripted = ScriptedRegistry()
    async with scripted.running(host="localhost"):
        yield scripted


@pytest.fixture
async def elsewhere() -> AsyncIterator[ScriptedRegistry]:
    """The same host at another port, which always asks for a login."""
    scripted = ScriptedRegistry(wants("what nobody sends", *ELSEWHERE_CHALLENGES))
    async with scripted.running(host="localhost"):
        yield scripted


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OrmbClient]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("ORMB_USERNAME", ANN.username)
    monkeypatch.setenv("ORMB_PASSWORD", ANN.password)
    async with OrmbClient(tmp_path / "ormb", chunk_bytes=1024) as opened:
        yield opened


def behind_login(answer: Script) -> Script:
    return lambda request: wants(ANN.basic, BASIC_CHALLENGE)(request) or answer(request)


def redirected(part: str) -> Trap:
    def trap(origin: str) -> Script:
        def answer(request: web.Request) -> web.Response | None:
            if request.method not in {"GET", "HEAD"} or part not in request.path:
                return None
            moved = web.Response(status=307, headers={"Location": f"{origin}{request.path}"})
            moved.set_cookie("session", "ann")
            return moved

        return behind_login(answer)

    return trap


def continued(method: str) -> Trap:
    def trap(origin: str) -> Script:
        def answer(request: web.Request) -> web.Response | None:
            if request.method != method or "/uploads/" not in request.path:
                return None
            return web.Response(status=202, headers={"Location": f"{origin}/v2/m/blobs/uploads/1", "Range": "0-1023"})

        return behind_login(answer)

    return trap


def listed(origin: str) -> Script:
    link = f'<{origin}/v2/m/referrers/x?n=2>; rel="next"'
    return behind_login(
        lambda request: (
            web.json_response({"manifests": []}, headers={"Link": link}) if "/referrers/" in request.path else None
        )
    )


def token_endpoint(origin: str) -> Script:
    return wants("Bearer t", f'Bearer realm="{origin}/token",service="s"')


TRAPS = [
    pytest.param(redirected("/blobs/"), id="redirected blob"),
    pytest.param(redirected("/manifests/"), id="redirected manifest"),
    pytest.param(redirected("/referrers/"), id="redirected list"),
    pytest.param(continued("POST"), id="upload begun elsewhere"),
    pytest.param(continued("PATCH"), id="upload continued elsewhere"),
    pytest.param(listed, id="next page elsewhere"),
    pytest.param(token_endpoint, id="token endpoint elsewhere"),
]


async def used(client: OrmbClient, registry: ScriptedRegistry, directory: Path) -> None:
    """Make every request that may be refused, each separately."""
    reference = registry.reference
    model = adder(directory / "model", 1)
    (model / "model" / "weights.bin").write_bytes(bytes(5000))
    registry.manifests.setdefault("v1", (b"{}", OCI_MANIFEST))
    for call in (
        lambda: client.discover(reference),
        lambda: client.push_directory(model, reference),
        lambda: client.pull_and_export(reference, directory / "out"),
        lambda: client.inspect(reference),
    ):
        with suppress(OrmbError):
            await call()


@pytest.mark.parametrize("trap", TRAPS)
async def test_credentials_stay_with_the_requested_origin(
    registry: ScriptedRegistry, elsewhere: ScriptedRegistry, client: OrmbClient, tmp_path: Path, trap: Trap
) -> None:
    registry.script = trap(f"http://{elsewhere.host}")
    await used(client, registry, tmp_path)
    assert registry.requests
    assert {(request.authorization, request.cookie) for request in elsewhere.requests} <= {(None, None)}
    assert elsewhere.targets("POST") == elsewhere.targets("PUT") == elsewhere.targets("PATCH") == []


class OnThisMachine(ThreadedResolver):
    """Resolves every host to this machine."""

    async def resolve(
        self, _host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return await super().resolve("127.0.0.1", port, family)


@asynccontextmanager
async def encrypted(authority: trustme.CA, directory: Path) -> AsyncIterator[HttpRegistry]:
    """A client that reaches registries over TLS, with ann's account."""
    authority.cert_pem.write_to_path(directory / "ca.pem")
    tls = verification(insecure=False, ca_file=directory / "ca.pem")
    connector = aiohttp.TCPConnector(ssl=tls, resolver=OnThisMachine())
    async with aiohttp.ClientSession(connector=connector) as session:
        transport = Transport(session)
        authorizer = Authorizer(lambda _host, _warn: ANN, transport)
        yield HttpRegistry(RegistryApi(transport, authorizer), sessions=UploadSessions(directory), chunk_bytes=1024)


async def drained(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass


@pytest.mark.parametrize("trap", TRAPS)
async def test_nothing_is_sent_from_https_to_http(tmp_path: Path, elsewhere: ScriptedRegistry, trap: Trap) -> None:
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("registry.test").configure_cert(server)
    file = tmp_path / "blob"
    file.write_bytes(bytes(5000))
    scripted = ScriptedRegistry(trap(f"http://registry.test:{elsewhere.host.rpartition(':')[2]}"))
    async with scripted.running(server), encrypted(authority, tmp_path) as client:
        reference = Reference(f"registry.test:{scripted.host.rpartition(':')[2]}", "m", "v1")
        blob = Descriptor(media_type="x", digest=digest_file(file), size=5000)
        for call in (
            lambda: client.get_manifest(reference),
            lambda: client.get_referrers(reference, blob.digest),
            lambda: client.put_blob(reference, Content(blob, file), Silent()),
            lambda: drained(client.get_blob(reference, blob.digest)),
        ):
            with suppress(OrmbError):
                await call()
    assert ANN.basic in {request.authorization for request in scripted.requests} or trap is token_endpoint
    assert elsewhere.requests == []
