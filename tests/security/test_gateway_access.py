"""Access to the gateway: a process without the token, a stolen cookie, a link that somebody else has read."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from klever_deployer.app import build as build_deployer
from klever_deployer.settings import DeployerSettings
from klever_gateway.app import build
from klever_gateway.routes.openapi import document as openapi
from klever_gateway.routes.operations import OPERATIONS as TABLE
from klever_gateway.settings import GatewaySettings
from klever_jobrunner.app import build as build_jobrunner
from klever_jobrunner.settings import JobrunnerSettings
from klever_registry.app import build as build_registry
from klever_registry.settings import RegistrySettings
from kleverkit.service import Runtime
from support.processes import free_port
from support.raw_http import exchange, head
from support.served import served

SECRET = "s" * 43
BEARER = {"Authorization": f"Bearer {SECRET}"}
PLATFORM = "/api/v1alpha1/platform"
SERVING = "/api/v1alpha1/namespaces/default/servings/iris"
PAGES = ["/", "/docs", "/docs/assets/swagger-ui.css", "/openapi.json", "/no/such/path"]


@dataclass
class Door:
    """A client of a gateway that sends these headers."""

    url: str
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, **headers: str) -> aiohttp.ClientResponse:
        """Return the answer with its complete body."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, f"{self.url}{path}", headers=sent, allow_redirects=False) as response:
            await response.read()
            return response

    async def status(self, method: str, path: str, **headers: str) -> int:
        return (await self.ask(method, path, **headers)).status

    async def code(self) -> str:
        """The path and query of a new login link."""
        link = await (await self.ask("POST", "/api/v1alpha1/login-links", **BEARER)).json()
        assert link["url"].startswith("http://127.0.0.1:8080/login?code=")
        return str(link["url"]).removeprefix("http://127.0.0.1:8080")


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    settings = GatewaySettings(port=free_port(), data_dir=tmp_path, token_file=tmp_path / "token")
    async with asking(build(settings)) as door:
        yield door


@asynccontextmanager
async def asking(runtime: Runtime) -> AsyncIterator[Door]:
    async with served(runtime) as url, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Door(url, session)


OPERATIONS = [
    pytest.param(method.upper(), re.sub(r"{\w+}", "x", path), id=operation["operationId"])
    for path, methods in openapi.document(TABLE)["paths"].items()
    for method, operation in methods.items()
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_every_operation_requires_the_token(door: Door, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": f"Bearer {SECRET[1:]}"}, {"Authorization": f"Basic {SECRET}"}):
        answer = await door.ask(method, path, **headers)
        assert answer.status == 401, headers
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        problem = await answer.json(content_type="application/problem+json")
        assert "the file `token` in the platform's home" in problem["detail"]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_requires_the_token(door: Door, path: str) -> None:
    assert await door.status("GET", path) == 401
    assert await door.status("GET", path, **BEARER) in {200, 302, 404}


async def test_no_spelling_of_an_open_path_opens_another(door: Door) -> None:
    host = door.url.removeprefix("http://")
    for target in (
        "/healthz/../api/v1alpha1/platform",
        "/v2/../api/v1alpha1/platform",
        "//api/v1alpha1/platform",
        "/%61pi/v1alpha1/platform",
        "/api/v1alpha1/platform/",
        "/API/v1alpha1/platform",
        "/login/../api/v1alpha1/platform",
    ):
        answer = await exchange(door.url, head("GET", target, host=host))
        assert answer.status in {401, 404}, target
        assert b"registry" not in answer.body or b"is not an OCI registry" in answer.body, target


async def test_the_token_grants_access_and_health_stays_open(door: Door) -> None:
    assert await door.status("GET", PLATFORM, **BEARER) == 200
    assert await door.status("GET", "/healthz") == 200
    assert await door.status("GET", "/readyz") == 503  # without NATS
    assert await door.status("PUT", SERVING, **BEARER) == 415


async def test_metrics_require_the_token_in_every_service(door: Door, tmp_path: Path) -> None:
    options: dict[str, Any] = {"port": free_port(), "token_file": tmp_path / "token"}
    assert await door.status("GET", "/metrics") == 401
    assert await door.status("GET", "/metrics", **BEARER) == 200
    async with asking(build_registry(RegistrySettings(data_dir=tmp_path / "r", open=True, **options))) as other:
        assert await other.status("GET", "/metrics") == 401
        assert await other.status("GET", "/metrics", **BEARER) == 200
    async with asking(build_jobrunner(JobrunnerSettings(work_dir=tmp_path / "j", **options))) as other:
        assert await other.status("GET", "/metrics") == 401
    async with asking(build_deployer(DeployerSettings(work_dir=tmp_path / "d", **options))) as other:
        for path in ("/metrics", "/metrics/ingress"):
            assert await other.status("GET", path) == 401
        assert await other.status("GET", "/metrics", **BEARER) == 200


async def logged_in(door: Door) -> tuple[str, str]:
    """The cookie and the key of a page."""
    answer = await door.ask("GET", await door.code())
    assert answer.status == 200
    [cookie] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    match = re.search(r'setItem\("klever-page-key", "([\w-]+)"\)', await answer.text())
    assert match is not None
    return f"{cookie.key}={cookie.value}", match[1]


async def test_a_link_signs_a_browser_in_once(door: Door) -> None:
    link = await door.code()
    assert await door.status("HEAD", link) != 200  # the request of a link checker does not use it up
    assert await door.status("GET", link) == 200
    again = await door.ask("GET", link)
    assert again.status == 403
    assert "Set-Cookie" not in again.headers
    assert await door.status("GET", "/login?code=") == 403
    assert await door.status("GET", "/login") == 403


async def test_the_pages_of_a_signed_in_browser_may_call_the_api(door: Door) -> None:
    cookie, page_key = await logged_in(door)
    assert await door.status("GET", "/docs", Cookie=cookie) == 200
    assert await door.status("GET", PLATFORM, Cookie=cookie, X_Klever_Page_Key=page_key) == 200
    changing = {"Cookie": cookie, "X_Klever_Page_Key": page_key, "Origin": door.url}
    assert await door.status("PUT", SERVING, **changing) == 415


async def test_a_cookie_alone_grants_no_access_to_the_api(door: Door) -> None:
    cookie, _ = await logged_in(door)
    _, other_key = await logged_in(door)
    for key in ({}, {"X_Klever_Page_Key": ""}, {"X_Klever_Page_Key": other_key}):
        assert await door.status("GET", PLATFORM, Cookie=cookie, **key) == 401
        assert await door.status("PUT", SERVING, Cookie=cookie, Origin=door.url, **key) == 401


async def test_a_browser_makes_changes_only_from_the_gateways_own_origin(door: Door) -> None:
    cookie, page_key = await logged_in(door)
    session = {"Cookie": cookie, "X_Klever_Page_Key": page_key}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert await door.status(method, SERVING, **session) == 401
        assert await door.status(method, SERVING, **session, Origin="https://evil.example") == 403


async def test_no_log_holds_the_code_of_a_link(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    link = await door.code()
    await door.ask("GET", link)
    await door.ask("GET", link)
    logs = "".join(capfd.readouterr())
    assert link.partition("code=")[2] not in logs


async def test_a_gateway_with_an_unreadable_token_does_not_start(tmp_path: Path) -> None:
    settings = GatewaySettings(port=free_port(), data_dir=tmp_path, token_file=tmp_path / "none")
    with pytest.raises(Exception, match=r"the token in .* cannot be read"):
        build(settings)
