"""A page in the user's browser sends requests to the services: by a name for loopback, or across origins."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from klever_deployer.app import build as build_deployer
from klever_deployer.settings import DeployerSettings
from klever_gateway.app import build as build_gateway
from klever_gateway.settings import GatewaySettings
from klever_jobrunner.app import build as build_jobrunner
from klever_jobrunner.settings import JobrunnerSettings
from klever_registry.app import build as build_registry
from klever_registry.settings import RegistrySettings
from kleverkit.service import Runtime
from support.processes import free_port
from support.raw_http import Answer, exchange, head
from support.served import served

BLOBS = "/v2/library/iris/blobs/uploads/"
SERVING = "/api/v1alpha1/namespaces/default/servings/iris"

Build = Callable[[Path, str], Runtime]


def gateway(directory: Path, names: str) -> Runtime:
    return build_gateway(GatewaySettings(port=free_port(), data_dir=directory, names=names, open=True))


def registry(directory: Path, names: str) -> Runtime:
    return build_registry(RegistrySettings(port=free_port(), data_dir=directory, names=names, open=True))


def jobrunner(directory: Path, names: str) -> Runtime:
    return build_jobrunner(JobrunnerSettings(port=free_port(), work_dir=directory, names=names))


def deployer(directory: Path, names: str) -> Runtime:
    return build_deployer(DeployerSettings(port=free_port(), work_dir=directory, names=names))


EVERY_SERVICE = pytest.mark.parametrize("build", [gateway, registry, jobrunner, deployer])


@asynccontextmanager
async def running(build: Build, directory: Path, names: str = "") -> AsyncIterator[tuple[str, str]]:
    """Yields the URL, and host:port."""
    async with served(build(directory, names)) as url:
        yield url, url.removeprefix("http://")


async def ask(url: str, host: str, *headers: tuple[str, str], method: str = "GET", path: str = "/healthz") -> Answer:
    length = () if method == "GET" else (("Content-Length", "0"),)
    return await exchange(url, head(method, path, *length, *headers, host=host))


@EVERY_SERVICE
async def test_a_name_rebound_to_loopback_is_refused(build: Build, tmp_path: Path) -> None:
    async with running(build, tmp_path) as (url, own):
        port = own.rpartition(":")[2]
        assert (await ask(url, own)).status == 200
        for host in (f"evil.example:{port}", f"localhost.evil.example:{port}", "localhost", f"0.0.0.0:{port}"):
            for path in ("/healthz", "/readyz", "/metrics", "/", "/no/such/path"):
                answer = await ask(url, host, path=path)
                assert answer.status == 421, (host, path)
                assert b"this server is not called" in answer.body


@pytest.mark.parametrize(
    ("build", "method", "path"),
    [(gateway, "PUT", SERVING), (gateway, "DELETE", SERVING), (registry, "POST", BLOBS), (registry, "DELETE", BLOBS)],
)
async def test_a_foreign_page_changes_nothing(build: Build, method: str, path: str, tmp_path: Path) -> None:
    async with running(build, tmp_path) as (url, own):
        port = own.rpartition(":")[2]
        rebound = await ask(url, f"evil.example:{port}", method=method, path=path)
        assert rebound.status == 421
        for origin in ("https://evil.example", "null", f"http://localhost:{int(port) - 1}", f"https://{own}.evil"):
            answer = await ask(url, own, ("Origin", origin), method=method, path=path)
            assert answer.status == 403, origin
            assert b"a page of another origin" in answer.body


@EVERY_SERVICE
async def test_cross_origin_reads_are_refused_too(build: Build, tmp_path: Path) -> None:
    async with running(build, tmp_path) as (url, own):
        assert (await ask(url, own, ("Origin", "https://evil.example"))).status == 403
        assert (await ask(url, own, ("Origin", f"http://{own}"), ("Origin", "https://evil.example"))).status == 403
        assert (await ask(url, own, ("Origin", f"http://localhost:{own.rpartition(':')[2]}"))).status == 200


@EVERY_SERVICE
async def test_a_request_needs_exactly_one_valid_host(build: Build, tmp_path: Path) -> None:
    async with running(build, tmp_path) as (url, own):
        missing = await exchange(url, b"GET /healthz HTTP/1.1\r\n\r\n")
        old = await exchange(url, b"GET /healthz HTTP/1.0\r\n\r\n")
        twice = await ask(url, own, ("Host", "evil.example"))
        odd = await ask(url, f"user@{own}")
        assert [answer.status for answer in (missing, old, twice, odd)] == [400] * 4


@EVERY_SERVICE
async def test_a_target_that_is_a_whole_url_is_checked(build: Build, tmp_path: Path) -> None:
    async with running(build, tmp_path) as (url, own):
        assert (await ask(url, own, path=f"http://{own}/healthz")).status == 200
        assert (await ask(url, own, path="http://evil.example/healthz")).status == 421


@EVERY_SERVICE
async def test_names_configured_by_the_operator_are_accepted(build: Build, tmp_path: Path) -> None:
    async with running(build, tmp_path, "klever.example, other.example:8443") as (url, own):
        port = own.rpartition(":")[2]
        for host in ("klever.example", f"klever.example:{port}", "KLEVER.example.", "other.example:8443"):
            assert (await ask(url, host, ("Origin", f"https://{host}"))).status == 200, host
        assert (await ask(url, "other.example")).status == 421
