"""Rules on repeated headers, with both versions of HTTP, through a real Envoy."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from kleverproto.traffic import HeaderMatch
from kleverroutes.routing import HeaderCondition, Rule, Share
from support.data_planes import INFER, Bench, behind_envoy, changed, route, upstreams, version_key
from support.deployer import IRIS
from support.processes import free_port
from support.raw_http import exchange, head

RULES = {
    "x-ring": HeaderMatch(exact="beta"),
    "x-user": HeaderMatch(prefix="beta-"),
    "x-group": HeaderMatch(regex="eu|us"),
    "x-both": HeaderMatch(exact="alpha,beta"),
}
SENT = [
    ([("x-ring", "beta")], "v2"),
    ([("X-Ring", "   beta\t ")], "v2"),  # neither the case of the name nor spaces around the value matter
    ([("x-ring", "Beta")], "v1"),  # the case of the value matters
    ([("x-ring", "")], "v1"),
    ([("x-ring", "alpha"), ("x-ring", "beta")], "v1"),  # the value is alpha,beta
    ([("x-ring", "beta"), ("x-ring", "alpha")], "v1"),
    ([("x-ring", "alpha,beta")], "v1"),
    ([("x-user", "beta-7"), ("x-user", "ann")], "v2"),
    ([("x-user", "ann"), ("x-user", "beta-7")], "v1"),
    ([("x-group", "eu ")], "v2"),
    ([("x-group", "eu"), ("x-group", "us")], "v1"),
    ([("x-both", "alpha"), ("x-both", "beta")], "v2"),
    ([("x-both", "alpha,beta")], "v2"),
    ([("x-both", "beta"), ("x-both", "alpha")], "v1"),
]


@pytest.fixture
async def envoy(tmp_path: Path) -> AsyncIterator[Bench]:
    async with behind_envoy(tmp_path, free_port()) as bench, upstreams("v1", "v2") as (v1, v2):
        to_v2 = (Share(version_key("v2"), 100),)
        rules = tuple(Rule((HeaderCondition(name, match),), to_v2) for name, match in RULES.items())
        await bench.data_plane.apply(changed(route((v1, 100), (v2, 0)), rules=rules))
        yield bench


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_repeated_headers_are_one_value_for_every_kind_of_rule(envoy: Bench, version: str) -> None:
    url = envoy.urls(IRIS, INFER) or ""
    ask = by_http_1 if version == "1.1" else by_http_2
    assert [(headers, await ask(url, headers)) for headers, _who in SENT] == SENT


async def by_http_1(url: str, headers: Sequence[tuple[str, str]]) -> str:
    answer = await exchange(url, head("GET", f"/seldon/default/iris/{INFER}", *headers))
    return str(answer.document["name"])


async def by_http_2(url: str, headers: Sequence[tuple[str, str]]) -> str:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed here")
    trimmed = [(name, value.strip()) for name, value in headers]  # HTTP/2 allows no spaces around values
    given = [word for name, value in trimmed for word in ("-H", f"{name}: {value}" if value else f"{name};")]
    wanted = "%header{x-klever-variant} %{http_version}"
    command = (curl, "-s", "-o", "/dev/null", "-w", wanted, "--http2-prior-knowledge")
    process = await asyncio.create_subprocess_exec(*command, *given, url, stdout=asyncio.subprocess.PIPE)
    variant, version = (await process.communicate())[0].decode().split()
    assert version == "2"
    return variant
