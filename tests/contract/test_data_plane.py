"""One suite for every data plane: a real Envoy and memory."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from klever_deployer.adapters.local.envoy import EnvoyDataPlane
from klever_deployer.adapters.local.envoy_admin import EnvoyAdmin
from klever_deployer.adapters.local.envoy_logs import EnvoyLogs
from klever_deployer.domain import routing
from klever_deployer.domain.analysis import measurement, total
from klever_deployer.domain.replicas import Endpoint, ReplicaState, ServingName
from klever_deployer.domain.routing import Backend, Mirroring, Rule, ServingRoute, Share, Stage
from klever_deployer.errors import RefusedByProxyError
from kleverproto.traffic import Cookie, HeaderMatch, Sticky
from support.data_planes import (
    Bench,
    Upstream,
    answered_by,
    backend_key,
    behind_envoy,
    in_memory,
    route,
    running,
    upstreams,
)
from support.deployer import IRIS, deployment, key, spec
from support.processes import free_port
from support.waiting import eventually

OTHER = ServingName("default", "abalone")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(params=["envoy", "memory"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path, port: int) -> AsyncIterator[Bench]:
    async with behind_envoy(tmp_path, port) if request.param == "envoy" else in_memory() as bench:
        yield bench


@pytest.fixture
async def envoy(tmp_path: Path, port: int) -> AsyncIterator[Bench]:
    async with behind_envoy(tmp_path, port) as bench:
        yield bench


def process(directory: Path) -> psutil.Process:
    return psutil.Process(json.loads((directory / "envoy.json").read_text())["pid"])


async def test_a_route_appears_and_goes_and_others_stay(bench: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        assert await bench.ask() is None
        await bench.data_plane.apply(route((v1, 100)))
        await bench.data_plane.apply(route((v2, 100), serving=OTHER))
        assert (await bench.ask(), await bench.ask(OTHER)) == ("v1", "v2")
        assert bench.data_plane.served() == {IRIS, OTHER}
        for _ in range(2):
            await bench.data_plane.remove(IRIS)
        assert (await bench.ask(), await bench.ask(OTHER)) == (None, "v2")
        assert bench.data_plane.served() == {OTHER}


async def test_requests_are_spread_by_weight_and_at_once_by_the_next_weights(bench: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await bench.data_plane.apply(route((v1, 80), (v2, 20)))
        answers = await bench.spread(200)
        assert 130 <= answers["v1"] <= 190
        assert answers["v1"] + answers["v2"] == 200
        await bench.data_plane.apply(route((v1, 0), (v2, 100)))
        assert await bench.spread(50) == {"v2": 50}


async def test_no_request_fails_while_weights_change(bench: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await bench.data_plane.apply(route((v1, 100)))
        async with bench.load() as answers:
            for weight in (0, 20, 50, 80, 100):
                await bench.data_plane.apply(route((v1, 100 - weight), (v2, weight)))
                await answered_by(answers, "v2" if weight else "v1", 20)
            await bench.data_plane.apply(route((v2, 100)))
            await answered_by(answers, "v2", 20)
    assert bench.failures == []
    assert answers[None] == 0


async def test_no_request_fails_while_servers_are_replaced_and_the_old_ones_end(envoy: Bench) -> None:
    async with upstreams("first") as (first,):
        await envoy.data_plane.apply(route((first, 100)))
        async with envoy.load() as answers:
            old = first
            for name in ("second", "third", "fourth"):
                new = Upstream(name)
                await new.start()
                await envoy.data_plane.apply(route((new, 100)))
                await old.close()
                await answered_by(answers, name, 20)
                old = new
        await old.close()
    assert envoy.failures == []
    assert answers[None] == 0


async def test_a_change_waits_for_the_requests_that_the_old_route_still_has(envoy: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await envoy.data_plane.apply(route((v1, 100)))
        request = asyncio.create_task(envoy.ask(path="slow"))
        await v1.asked.wait()
        change = asyncio.create_task(envoy.data_plane.apply(route((v2, 100))))

        async def moved() -> bool:
            return await envoy.ask() == "v2"

        assert await eventually(moved)
        assert not change.done()
        v1.go_on.set()
        assert await request == "v1"
        await asyncio.wait_for(change, 5)


async def test_replicas_of_a_variant_share_its_requests(envoy: Bench) -> None:
    async with upstreams("one", "two") as (one, two):
        backend = Backend(backend_key("v1"), (one.endpoint, two.endpoint))
        shares = (Share(backend.key, 100),)
        await envoy.data_plane.apply(ServingRoute(IRIS, (backend,), shares))
        assert await envoy.spread(20) == {"one": 10, "two": 10}
        await envoy.data_plane.apply(ServingRoute(IRIS, (replace(backend, endpoints=(two.endpoint,)),), shares))
        assert await envoy.spread(10) == {"two": 10}


async def test_the_model_server_sees_its_own_path_and_the_client_sees_the_variant(envoy: Bench) -> None:
    async with upstreams("v1") as (v1,):
        await envoy.data_plane.apply(route((v1, 100)))
        async with envoy.session.get(envoy.urls(IRIS, "v2/models/iris/ready") or "") as response:
            assert await response.json() == {"name": "v1", "path": "/v2/models/iris/ready"}
            assert response.headers["x-klever-variant"] == "v1"


async def test_rules_are_tried_in_their_order_before_the_weights(envoy: Bench) -> None:
    async with upstreams("v1", "v2", "v3") as (v1, v2, v3):
        wide = route((v1, 100), (v2, 0), (v3, 0))
        rules = (
            _rule("v3", user=HeaderMatch(exact="ann"), region=HeaderMatch(prefix="eu-")),
            _rule("v2", user=HeaderMatch(regex="a.*")),
        )
        await envoy.data_plane.apply(replace(wide, rules=rules))
        assert [await envoy.ask(user="ann", region="eu-west") for _ in range(20)] == ["v3"] * 20
        assert [await envoy.ask(user="ann") for _ in range(20)] == ["v2"] * 20
        assert await envoy.ask(user="bea", region="eu-west") == "v1"
        assert await envoy.spread(20) == {"v1": 20}


async def test_mirrored_requests_are_answered_by_the_other_and_reach_both(envoy: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        shadowed = replace(route((v1, 100), (v2, 0)), mirror=Mirroring(backend_key("v2"), 100))
        await envoy.data_plane.apply(shadowed)
        assert await envoy.spread(50) == {"v1": 50}

        async def all_copied() -> bool:
            return v2.answered == 50

        assert await eventually(all_copied)


@pytest.mark.parametrize("share", [20, 80])
async def test_requests_with_the_same_header_stay_with_one_variant(envoy: Bench, share: int) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        sticky = replace(route((v1, share), (v2, 100 - share)), sticky=Sticky(header="x-user"))
        await envoy.data_plane.apply(sticky)
        by_user = {user: {await envoy.ask(x_user=f"user-{user}") for _ in range(5)} for user in range(40)}
        assert all(len(answers) == 1 for answers in by_user.values())
        assert {answer for answers in by_user.values() for answer in answers} == {"v1", "v2"}


async def test_a_client_keeps_its_variant_by_a_cookie(envoy: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        wanted = (deployment("v1"), deployment("v2"))
        of = spec("v1", "v2", weights=(50, 50))
        sticky = of.traffic.model_copy(update={"sticky": Sticky(cookie=Cookie(name="klever", ttl_seconds=60))})
        stage = Stage(IRIS, of.model_copy(update={"traffic": sticky}), wanted)
        states = [ReplicaState(key(u.name), u.endpoint, ready=True) for u in (v1, v2)]
        await envoy.data_plane.apply(routing.route(stage, states))
        found = set()
        for _ in range(20):
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
                client = replace(envoy, session=session)
                answers = {await client.ask() for _ in range(4)}
            assert len(answers) == 1
            found |= answers
        assert found == {"v1", "v2"}


async def test_envoy_counts_requests_errors_and_latencies_of_each_backend(envoy: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        v2.status = 500
        await envoy.data_plane.apply(route((v1, 50), (v2, 50)))
        await envoy.spread(60)
        keys = {backend_key("v1"), backend_key("v2"), backend_key("unknown")}

        async def counted() -> bool:
            counts = await envoy.data_plane.counts(keys)
            return sum(each.latencies[-1][1] for each in counts.values() if each.latencies) == 60

        assert await eventually(counted)
        counts = await envoy.data_plane.counts(keys)
        assert set(counts) == {backend_key("v1"), backend_key("v2")}
        good, bad = counts[backend_key("v1")], counts[backend_key("v2")]
        assert (good.requests, bad.requests) == (v1.answered, v2.answered)
        assert (good.errors, bad.errors) == (0, v2.answered)
        assert (measurement(total([good])).p95_ms or 0) > 0


async def test_what_an_answer_took_and_who_gave_it_is_in_the_access_log(envoy: Bench, tmp_path: Path) -> None:
    async with upstreams("v1") as (v1,):
        await envoy.data_plane.apply(route((v1, 100)))
        await envoy.ask()

        async def logged() -> bool:
            return "default/iris/v1/cafe" in (tmp_path / "access.log").read_text()

        assert await eventually(logged, within=15)
        entry = json.loads((tmp_path / "access.log").read_text().splitlines()[0])
        assert (entry["status"], entry["path"]) == (200, "/seldon/default/iris/v2/models/iris/infer")


def has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


async def test_an_access_log_that_is_too_large_begins_anew_and_none_of_it_is_lost(envoy: Bench, tmp_path: Path) -> None:
    own, admin = tmp_path / "envoy.log", EnvoyAdmin(tmp_path / "admin-address")
    log = EnvoyLogs(tmp_path / "access.log", own, admin, largest=10)
    async with upstreams("v1") as (v1,):
        await envoy.data_plane.apply(route((v1, 100)))

        async def asked(path: Path) -> bool:
            await envoy.ask()
            return await asyncio.to_thread(has_content, path)

        assert await eventually(lambda: asked(tmp_path / "access.log"), within=20)
        await log.rotate()
        assert await eventually(lambda: asked(tmp_path / "access.log"), within=20)
    both = [
        json.loads(line)
        for name in ("access.log.1", "access.log")
        for line in (tmp_path / name).read_text().splitlines()
    ]
    assert all(entry["status"] == 200 for entry in both)


async def test_a_request_is_a_span_of_the_clients_trace(tmp_path: Path, port: int) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    sent: list[bytes] = []

    async def collect(request: web.Request) -> web.Response:
        sent.append(await request.read())
        return web.Response(content_type="application/x-protobuf")

    application = web.Application()
    application.router.add_post("/v1/traces", collect)
    async with TestServer(application, host="127.0.0.1") as collector, upstreams("v1") as (v1,):
        url = f"http://{collector.host}:{collector.port}"
        async with behind_envoy(tmp_path, port, url) as bench:
            await bench.data_plane.apply(route((v1, 100)))
            assert await bench.ask(traceparent=f"00-{trace}-b7ad6b7169203331-01") == "v1"

            async def is_told() -> bool:
                return any(bytes.fromhex(trace) in body and b"klever-ingress" in body for body in sent)

            assert await eventually(is_told, within=15)


def _rule(variant: str, **headers: HeaderMatch) -> Rule:
    return Rule(tuple(headers.items()), (Share(backend_key(variant), 100),))


async def test_a_killed_envoy_is_back_with_its_routes_and_takes_new_ones(envoy: Bench, tmp_path: Path) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await envoy.data_plane.apply(route((v1, 100)))
        killed = process(tmp_path)
        killed.kill()

        async def is_back() -> bool:
            return process(tmp_path) != killed and await envoy.ask() == "v1"

        assert await eventually(is_back)
        await envoy.data_plane.apply(route((v2, 100)))
        assert await envoy.ask() == "v2"


async def test_the_next_deployer_adopts_envoy_and_keeps_the_routes_it_does_not_change(
    envoy: Bench, tmp_path: Path, port: int
) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await envoy.data_plane.apply(route((v1, 100)))
        await envoy.data_plane.apply(route((v1, 100), serving=OTHER))
        before = process(tmp_path)
        async with running(EnvoyDataPlane(tmp_path, host="127.0.0.1", port=port, drain_seconds=5.0)) as successor:
            assert successor.served() == {IRIS, OTHER}
            await successor.apply(route((v2, 100)))
        assert (await envoy.ask(), await envoy.ask(OTHER)) == ("v2", "v1")
        assert process(tmp_path) == before


async def test_what_envoy_rejects_is_an_error_that_says_why_and_what_was_there_still_holds(envoy: Bench) -> None:
    async with upstreams("v1") as (v1,):
        await envoy.data_plane.apply(route((v1, 100)))
        nowhere = Backend(backend_key("v2"), (Endpoint("no address", 1),))
        with pytest.raises(RefusedByProxyError, match="no address"):
            await envoy.data_plane.apply(ServingRoute(IRIS, (nowhere,), (Share(nowhere.key, 100),)))
        assert await envoy.ask() == "v1"
        await envoy.data_plane.apply(route((v1, 100), serving=OTHER))
        assert await envoy.ask(OTHER) == "v1"


async def test_envoy_starts_once_another_program_has_left_its_port(tmp_path: Path, port: int) -> None:
    plane = EnvoyDataPlane(tmp_path, host="127.0.0.1", port=port, drain_seconds=5.0)
    with socket.create_server(("127.0.0.1", port)) as other:
        async with running(plane):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(plane.apply(ServingRoute(IRIS, (), ())), 0.3)
            assert not await plane.is_live()
            other.close()
            assert await eventually(plane.is_live)
    await plane.close()


async def test_a_closed_data_plane_leaves_no_process(tmp_path: Path, port: int) -> None:
    async with behind_envoy(tmp_path, port):
        envoy = process(tmp_path)
        assert envoy.is_running()
    assert not envoy.is_running()
