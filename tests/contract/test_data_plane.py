"""One suite for every data plane: on one machine and on a cluster, each with a real Envoy, and in memory."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest

from klever_deployer.domain.analysis import measurement, total
from klever_deployer.errors import RefusedByProxyError
from kleverproto.traffic import Cookie, HeaderMatch, Sticky
from kleverroutes import routing
from kleverroutes.routing import HeaderCondition, Mirroring, Rule, Share, Stage
from kleverroutes.versions import ServingName
from support.adapters import adapters
from support.cluster_data_plane import on_cluster
from support.data_plane_benches import DATA_PLANES, DataPlaneBench
from support.data_planes import Upstream, answered_by, upstreams, version_key
from support.deployer import IRIS, deployment, key, spec
from support.processes import free_port
from support.waiting import eventually

OTHER = ServingName("default", "abalone")
DRAIN_SECONDS = 1.0


@pytest.fixture(params=adapters([*DATA_PLANES, "kubernetes"]))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DataPlaneBench]:
    if request.param in DATA_PLANES:
        opened = DATA_PLANES[request.param](tmp_path, free_port(), DRAIN_SECONDS)
    else:
        opened = on_cluster(tmp_path, request.getfixturevalue("kubeconfig"))
    async with opened as bench:
        yield bench


async def test_adding_and_removing_a_route_leaves_other_routes(bench: DataPlaneBench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        ask = bench.client.ask
        assert await ask() is None
        await bench.apply((v1, 100))
        await bench.apply((v2, 100), serving=OTHER)
        assert (await ask(), await ask(OTHER)) == ("v1", "v2")
        assert bench.data_plane.served() == {IRIS, OTHER}
        for _ in range(2):
            await bench.data_plane.remove(IRIS)
        assert (await ask(), await ask(OTHER)) == (None, "v2")
        assert bench.data_plane.served() == {OTHER}
        assert bench.data_plane.is_up()


async def test_requests_follow_new_weights_at_once(bench: DataPlaneBench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await bench.apply((v1, 80), (v2, 20))
        answers = await bench.client.spread(200)
        assert 130 <= answers["v1"] <= 190
        assert answers["v1"] + answers["v2"] == 200
        await bench.apply((v1, 0), (v2, 100))
        assert await bench.client.spread(50) == {"v2": 50}


async def test_no_request_fails_while_weights_change(bench: DataPlaneBench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await bench.apply((v1, 100))
        async with bench.client.load() as answers:
            for weight in (0, 20, 50, 80, 100):
                await bench.apply((v1, 100 - weight), (v2, weight))
                await answered_by(answers, "v2" if weight else "v1", 20)
            await bench.apply((v2, 100))
            await answered_by(answers, "v2", 20)
    assert bench.client.failures == []
    assert answers[None] == 0


async def test_no_request_fails_while_versions_are_replaced(bench: DataPlaneBench) -> None:
    async with upstreams("first") as (first,):
        await bench.apply((first, 100))
        async with bench.client.load() as answers:
            old = first
            for name in ("second", "third"):
                new = Upstream(name)
                await new.start()
                await bench.apply((new, 100))
                await answered_by(answers, name, 20)
                await old.close()
                old = new
        await old.close()
    assert bench.client.failures == []
    assert answers[None] == 0


async def test_requests_on_the_old_route_finish_while_new_ones_take_the_new_route(bench: DataPlaneBench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await bench.apply((v1, 100))
        request = asyncio.create_task(bench.client.ask(path="slow"))
        await v1.slow_requested.wait()
        change = asyncio.create_task(bench.apply((v2, 100)))

        async def is_moved() -> bool:
            return await bench.client.ask() == "v2"

        assert await eventually(is_moved)
        v1.resume.set()
        assert await request == "v1"
        await asyncio.wait_for(change, 5)


@pytest.mark.parametrize("is_removed", [False, True], ids=["changed", "removed"])
async def test_a_change_completes_within_its_deadline(
    bench: DataPlaneBench,
    is_removed: bool,  # noqa: FBT001 - a case
) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await bench.apply((v1, 100))
        request = asyncio.create_task(bench.client.ask(path="slow"))
        await v1.slow_requested.wait()
        began = monotonic()
        await (bench.data_plane.remove(IRIS) if is_removed else bench.apply((v2, 100)))
        assert monotonic() - began < bench.data_plane.drain_seconds + 5
        assert await bench.client.ask() == (None if is_removed else "v2")
        v1.resume.set()
        await request


async def test_requests_follow_the_replicas_of_a_version(bench: DataPlaneBench) -> None:
    async with upstreams("one", "two") as (one, two):
        await bench.apply((one, 100))
        bench.move(version_key("one"), one.endpoint, two.endpoint)

        async def is_spread() -> bool:
            return set(await bench.client.spread(4)) == {"one", "two"}

        assert await eventually(is_spread)
        bench.move(version_key("one"), two.endpoint)

        async def is_moved() -> bool:
            return set(await bench.client.spread(4)) == {"two"}

        assert await eventually(is_moved)
    assert bench.client.failures == []


async def test_the_model_server_sees_its_own_path_and_the_client_sees_the_variant(bench: DataPlaneBench) -> None:
    async with upstreams("v1") as (v1,):
        await bench.apply((v1, 100))
        answer = await bench.client.answer(path="v2/models/iris/ready")
        assert answer is not None
        assert (answer.path, answer.variant) == ("/v2/models/iris/ready", "v1")


async def test_rules_are_evaluated_in_order_before_the_weights(bench: DataPlaneBench) -> None:
    async with upstreams("v1", "v2", "v3") as (v1, v2, v3):
        rules = (
            _rule("v3", user=HeaderMatch(exact="ann"), region=HeaderMatch(prefix="eu-")),
            _rule("v2", user=HeaderMatch(regex="a.*")),
        )
        await bench.apply((v1, 100), (v2, 0), (v3, 0), rules=rules)
        ask = bench.client.ask
        assert [await ask(user="ann", region="eu-west") for _ in range(20)] == ["v3"] * 20
        assert [await ask(user="ann") for _ in range(20)] == ["v2"] * 20
        assert await ask(user="bea", region="eu-west") == "v1"
        assert await bench.client.spread(20) == {"v1": 20}


async def test_mirrored_requests_reach_both_variants(bench: DataPlaneBench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await bench.apply((v1, 100), (v2, 0), mirror=Mirroring(version_key("v2"), 100))
        assert await bench.client.spread(50) == {"v1": 50}

        async def all_copied() -> bool:
            return v2.answered == 50

        assert await eventually(all_copied)


@pytest.mark.parametrize("share", [20, 80])
async def test_requests_with_the_same_header_stay_with_one_variant(bench: DataPlaneBench, share: int) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        change = bench.apply((v1, share), (v2, 100 - share), sticky=Sticky(header="x-user"))
        if not bench.shares_by_header:
            with pytest.raises(RefusedByProxyError, match="header"):
                await change
            return
        await change
        by_user = {user: {await bench.client.ask(x_user=f"user-{user}") for _ in range(5)} for user in range(40)}
        assert all(len(answers) == 1 for answers in by_user.values())
        assert {answer for answers in by_user.values() for answer in answers} == {"v1", "v2"}


async def test_a_cookie_keeps_a_client_on_its_variant(bench: DataPlaneBench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        wanted = spec("v1", "v2", weights=(50, 50))
        sticky = wanted.traffic.model_copy(update={"sticky": Sticky(cookie=Cookie(name="klever", ttl_seconds=60))})
        for upstream in (v1, v2):
            bench.places[key(upstream.name)] = (upstream.endpoint,)
        stage = Stage(IRIS, wanted.replace(traffic=sticky), (deployment("v1"), deployment("v2")))
        await bench.data_plane.apply(routing.route(stage))
        variants = set()
        for _ in range(20):
            client = bench.client.another()
            answers = {await client.ask() for _ in range(4)}
            assert len(answers) == 1
            variants |= answers
        assert variants == {"v1", "v2"}


async def test_requests_errors_and_latencies_of_each_version_are_counted(bench: DataPlaneBench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        v2.status = 500
        await bench.apply((v1, 50), (v2, 50))
        await bench.client.spread(60)
        keys = {version_key(name) for name in ("v1", "v2", "unknown")}

        async def counted() -> bool:
            counts = await bench.requests.counts(keys)
            return sum(each.latencies[-1].requests for each in counts.values() if each.latencies) == 60

        assert await eventually(counted)
        counts = await bench.requests.counts(keys)
        assert set(counts) == {version_key("v1"), version_key("v2")}
        good, bad = counts[version_key("v1")], counts[version_key("v2")]
        assert (good.requests, bad.requests) == (v1.answered, v2.answered)
        assert (good.errors, bad.errors) == (0, v2.answered)
        assert (measurement(total([good])).p95_ms or 0) > 0


def _rule(variant: str, **headers: HeaderMatch) -> Rule:
    return Rule(tuple(HeaderCondition(*each) for each in headers.items()), (Share(version_key(variant), 100),))
