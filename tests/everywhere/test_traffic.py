"""Requests are split by the same document on a laptop and on a cluster."""

from collections import Counter
from typing import Any

import aiohttp
import pytest

from support.places.place import Place
from support.waiting import eventually

pytestmark = pytest.mark.timeout(300)

REQUESTS = 400
RULES = [
    {"headers": {"x-user": {"prefix": "beta-"}, "x-region": {"regex": "eu|us"}}, "variant": "v2"},
    {"headers": {"x-user": {"exact": "ann"}}, "variant": "v2"},
]


def two_versions(model: str, **traffic: Any) -> dict[str, Any]:
    return {
        "variants": [{"name": "v1", "model": f"{model}:v1"}, {"name": "v2", "model": f"{model}:v2"}],
        "traffic": traffic,
    }


@pytest.mark.every_backend
async def test_requests_are_split_by_weights_and_rules(place: Place, adders: str) -> None:
    name = place.new_name()
    await place.applied(name, two_versions(adders, weights={"v1": 80, "v2": 20}, rules=RULES))
    async with place.requests(name) as requests:
        values = Counter(await requests.values(REQUESTS))
        assert set(values) == {2, 3}
        assert 0.12 < values[3] / REQUESTS < 0.28
        assert set(await requests.values(20, x_user="ann")) == {3}
        assert set(await requests.values(20, x_user="beta-bob", x_region="eu")) == {3}
        assert 2 in await requests.values(60, x_user="beta-bob", x_region="asia")
        assert (await requests.ask(x_user="ann")).headers["x-klever-variant"] == "v2"
    await place.undeploy(name)


async def test_command_changes_the_split(place: Place, adders: str) -> None:
    name = place.new_name()
    await place.applied(name, two_versions(adders, weights={"v1": 100, "v2": 0}, rules=RULES))
    async with place.requests(name) as requests:
        assert set(await requests.values(30)) == {2}
        assert "v2:x-user=ann" in await place.klever("traffic", name)
        await place.klever("traffic", name, "v1=0 v2=100 --no-rules")
        assert set(await requests.values(30)) == {3}
    await place.undeploy(name)


async def test_cookie_keeps_a_client_at_its_version(place: Place, adders: str) -> None:
    name = place.new_name()
    cookie = {"cookie": {"name": "klever", "ttlSeconds": 60}}
    await place.applied(name, two_versions(adders, weights={"v1": 50, "v2": 50}, sticky=cookie))
    first_values = set()
    for _ in range(12):
        async with place.requests(name, cookies=aiohttp.CookieJar(unsafe=True)) as client:
            values = set(await client.values(8))
            assert len(values) == 1
            first_values |= values
    assert first_values == {2, 3}
    await place.undeploy(name)


async def test_header_keeps_a_client_at_its_replica(place: Place, adders: str) -> None:
    name = place.new_name()
    spec = {
        "variants": [{"name": "v1", "model": f"{adders}:v1", "replicas": 2}],
        "traffic": {"sticky": {"header": "x-user"}},
    }
    await place.applied(name, spec)
    async with place.requests(name) as requests:
        assert set(await requests.values(20, x_user="ann")) == {2}
    await place.undeploy(name)


async def test_requests_are_copied_to_a_mirror(place: Place, adders: str, own_server: str) -> None:
    name = place.new_name()
    mirrored = {"name": "v2", "model": own_server, "custom": place.substrate.custom("server.py"), "env": {"VALUE": "9"}}
    spec = {
        "variants": [{"name": "v1", "model": f"{adders}:v1"}, mirrored],
        "traffic": {"weights": {"v1": 100, "v2": 0}, "mirror": {"variant": "v2", "percent": 100}},
    }
    await place.applied(name, spec)
    async with place.requests(name) as requests:
        assert set(await requests.values(10, x_id="copied")) == {2}

        async def is_copied() -> bool:
            log = await place.klever("logs", name, "--variant v2")
            return log.count("request copied") == 10

        await eventually(is_copied, within=60, every=0.5)
    await place.undeploy(name)
