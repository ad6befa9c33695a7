"""Registries that only a company's proxy can reach."""

import base64
import ssl
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from klever_registry.adapters.remote import RemoteConnection, RemoteManifests
from kleverkit.errors import TransientError
from ormb.adapters.connecting import Connecting
from ormb.adapters.credentials import Credentials
from ormb.client import OrmbClient
from ormb.errors import ProxyError, RegistryUnavailableError
from ormb.login import check_login
from ormb.packing import pack
from ormb.reference import Reference
from support.forward_proxy import ForwardProxy
from support.guarded_registry import PASSWORD, USER, GuardedRegistry
from support.scripted_registry import ScriptedRegistry
from support.small_models import adder

NAME = "registry.corp.example"
REFERENCE = Reference(NAME, "team/adder", "v1")
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _unset_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)


async def test_push_and_pull_use_the_proxy_and_the_name_is_never_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = adder(tmp_path / "adder", 1)
    async with ScriptedRegistry().running() as registry:
        proxy = ForwardProxy({f"{NAME}:80": registry})
        async with proxy.running() as address, OrmbClient(tmp_path / "ormb", plain_http=True) as client:
            monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
            pushed = await client.push_directory(model, REFERENCE)
            await client.pull_and_export(REFERENCE, tmp_path / "out")
    assert pack(tmp_path / "out").digest == pushed.digest
    assert any(line.startswith(f"PUT http://{NAME}/v2/team/adder/manifests/v1") for line in proxy.requests)


async def test_a_registry_behind_tls_is_reached_by_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(tls)
    async with ScriptedRegistry().running(tls) as registry:
        proxy = ForwardProxy({f"{NAME}:443": registry}, login="Basic " + base64.b64encode(b"ann:p@ss").decode())
        async with proxy.running() as address, OrmbClient(tmp_path / "ormb", ca_file=tmp_path / "ca.pem") as client:
            monkeypatch.setenv("https_proxy", f"http://ann:p%40ss@{address}")
            pushed = await client.push_directory(adder(tmp_path / "adder", 1), REFERENCE)
            assert (await client.inspect(REFERENCE)).digest == pushed.digest
        async with OrmbClient(tmp_path / "ormb", ca_file=tmp_path / "ca.pem") as client, proxy.running() as address:
            monkeypatch.setenv("https_proxy", f"http://{address}")
            with pytest.raises(ProxyError, match=r"\(\$https_proxy\) wants a login"):
                await client.inspect(REFERENCE)
    assert set(proxy.requests) == {f"CONNECT {NAME}:443"}


async def test_logins_and_tokens_use_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = GuardedRegistry("bearer")
    async with registry.running():
        proxy = ForwardProxy({f"{NAME}:80": registry.host})
        registry.host = NAME
        async with proxy.running() as address:
            monkeypatch.setenv("ALL_PROXY", address)
            await check_login(NAME, Credentials(USER, PASSWORD), tmp_path, Connecting(plain_http=True))
    ping = f"GET http://{NAME}/v2/"
    assert proxy.requests == [ping, f"GET http://{NAME}/token?service=registry", ping]


async def test_no_proxy_and_loopback_connect_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = ForwardProxy({})
    async with ScriptedRegistry().running() as registry, proxy.running() as address:
        monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
        async with OrmbClient(tmp_path / "ormb") as client:
            await client.push_directory(adder(tmp_path / "adder", 1), Reference(registry, "team/adder", "v1"))
    assert proxy.requests == []


def to_the_store(request: web.Request) -> web.Response | None:
    if request.method == "GET" and "/blobs/" in request.path:
        digest = request.path.rpartition("/")[2]
        return web.Response(status=307, headers={"Location": f"http://store.corp.example/v2/m/blobs/{digest}"})
    return None


async def test_a_redirect_to_another_host_uses_the_proxy_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ScriptedRegistry()
    registry = ScriptedRegistry()
    async with store.running() as store_host, registry.running() as host:
        proxy = ForwardProxy({"store.corp.example:80": store_host})
        async with proxy.running() as address, OrmbClient(tmp_path / "ormb") as client:
            monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
            reference = Reference(host, "team/adder", "v1")
            await client.push_directory(adder(tmp_path / "adder", 1), reference)
            store.blobs = registry.blobs
            registry.script = to_the_store
            await client.pull_and_export(reference, tmp_path / "out")
    assert all(line.startswith("GET http://store.corp.example/v2/m/blobs/") for line in proxy.requests)
    assert proxy.requests


@pytest.mark.parametrize(
    ("value", "says"),
    [("::broken::", r"\$HTTPS_PROXY names no proxy"), ("socks5://127.0.0.1:1", "only http and https proxies")],
)
async def test_an_invalid_proxy_setting_is_reported_except_for_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, says: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    monkeypatch.setenv("HTTP_PROXY", value)
    async with ScriptedRegistry().running() as registry, OrmbClient(tmp_path / "ormb") as client:
        with pytest.raises(ProxyError, match=says):
            await client.inspect(REFERENCE)
        await client.push_directory(adder(tmp_path / "adder", 1), Reference(registry, "team/adder", "v1"))


async def test_a_proxy_that_is_down_or_reaches_nothing_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = ForwardProxy({})
    async with proxy.running() as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        async with OrmbClient(tmp_path / "ormb") as client:
            with pytest.raises(RegistryUnavailableError, match=rf"the proxy http://{address} .* answered 502"):
                await client.inspect(REFERENCE)
    async with OrmbClient(tmp_path / "ormb") as client:
        with pytest.raises(RegistryUnavailableError, match=rf"the proxy http://{address} .* does not answer"):
            await client.inspect(REFERENCE)


async def test_the_embedded_registry_reaches_external_ones_through_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = ForwardProxy({})
    async with proxy.running() as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        connection = RemoteConnection(tmp_path)
        opened = connection.opened(web.Application())
        await anext(opened)
        with pytest.raises(TransientError, match=r"the proxy .* answered 502"):
            await RemoteManifests(connection, NAME).get("team/adder", "v1")
        await anext(opened, None)
    assert set(proxy.requests) == {f"CONNECT {NAME}:443"}
