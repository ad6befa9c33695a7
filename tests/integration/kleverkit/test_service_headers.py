"""The answers of the services' HTTP servers to large headers and invalid HTTP, and their logs about these."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klever_gateway.app import build as build_gateway
from klever_gateway.settings import GatewaySettings
from klever_registry.app import build as build_registry
from klever_registry.settings import RegistrySettings
from kleverkit.service import Runtime
from support.hop_contract import SENTINEL
from support.processes import free_port
from support.raw_http import Answer, exchange, head
from support.served import served

BASE = "/healthz"


def gateway(directory: Path) -> Runtime:
    return build_gateway(GatewaySettings(port=free_port(), data_dir=directory, open=True))


def registry(directory: Path) -> Runtime:
    return build_registry(RegistrySettings(port=free_port(), data_dir=directory, open=True))


def problem(document: dict[str, Any]) -> str:
    return str(document["detail"])


def oci_error(document: dict[str, Any]) -> str:
    return str(document["errors"][0]["message"])


SERVICES = [
    pytest.param(gateway, "application/problem+json", problem, id="gateway"),
    pytest.param(registry, "application/json", oci_error, id="registry"),
]


async def get(url: str, *headers: tuple[str, str]) -> Answer:
    return await exchange(url, head("GET", BASE, *headers, host=url.removeprefix("http://")))


@pytest.mark.parametrize(("build", "kind", "message"), SERVICES)
async def test_large_headers_pass_or_are_refused_in_the_services_error_format(
    build: Callable[[Path], Runtime], kind: str, message: Callable[[dict[str, Any]], str], tmp_path: Path
) -> None:
    async with served(build(tmp_path)) as url:
        for size in (9, 40, 58):
            assert (await get(url, ("Cookie", "session=" + "e" * size * 1024))).status == 200
        assert (await get(url, *((f"x-trace-{number}", "a" * 50) for number in range(150)))).status == 200
        for headers in ([("Cookie", SENTINEL + "e" * 80 * 1024)], [(f"x-{n}", SENTINEL * 80) for n in range(80)]):
            answer = await get(url, *headers)
            assert (answer.status, (answer.header("content-type") or "").partition(";")[0]) == (431, kind)
            assert "64 KiB" in message(answer.json())


@pytest.mark.parametrize(("build", "kind", "message"), SERVICES)
async def test_logs_do_not_repeat_unreadable_input(
    build: Callable[[Path], Runtime],
    kind: str,
    message: Callable[[dict[str, Any]], str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with served(build(tmp_path)) as url:
        refused = [
            await get(url, ("Cookie", SENTINEL * 10_000)),
            await get(url, ("Cookie", f"{SENTINEL}\x00")),
            await get(url, ("Transfer-Encoding", SENTINEL)),
            await exchange(url, f"{SENTINEL} nonsense\r\n\r\n".encode()),
            await exchange(
                url, head("POST", BASE, ("Content-Length", "5"), ("Transfer-Encoding", "chunked")), b"0\r\n\r\n"
            ),
        ]
    assert [answer.status for answer in refused] == [431, 400, 400, 400, 400]
    for answer in refused:
        assert (answer.header("content-type") or "").partition(";")[0] == kind
        assert message(answer.json())
        assert SENTINEL not in str(answer)
    assert SENTINEL not in caplog.text + "".join(capfd.readouterr())
