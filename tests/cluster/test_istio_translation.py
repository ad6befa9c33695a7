"""Istio's own control plane translates rendered routes, and a real Envoy routes requests by them."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from klever_deployer.adapters.kubernetes.route_probes import RouteProbe
from kleverproto.traffic import Cookie, HeaderMatch, Retries, Sticky, Timeouts
from kleverroutes.paths import path_prefix
from kleverroutes.routing import Mirroring, ServingRoute
from support.data_plane_benches import HttpClient
from support.data_planes import Upstream, answered_by, upstreams, version_key
from support.deployer import IRIS
from support.istio_gateway import IstioGateway, istiod_program, running_gateway
from support.istio_proxy import LOOPBACK
from support.kubernetes_routes import FEATURES, ServicesOf, cookie_route, rule, v2_route
from support.processes import free_port
from support.rendered_routes import is_rendered, rendered
from support.waiting import eventually

GRPC = "/inference.GRPCInferenceService"
pytestmark = pytest.mark.timeout(1800)  # istiod is built first, which takes minutes


@pytest.fixture(scope="session")
def istiod() -> Path:
    return istiod_program()


@pytest.fixture
async def gateway(istiod: Path, tmp_path: Path) -> AsyncIterator[IstioGateway]:
    async with running_gateway(istiod, tmp_path) as gateway:
        yield gateway


def serve(gateway: IstioGateway, *servers: Upstream) -> None:
    gateway.serve({server.name: (server.endpoint.port,) for server in servers})


async def apply(gateway: IstioGateway, route: ServingRoute, *servers: Upstream, grpc: tuple[str, ...] = ()) -> None:
    """Returns when requests are answered."""
    serve(gateway, *servers)
    gateway.apply(route, ServicesOf(grpc))

    async def is_answered() -> bool:
        return await HttpClient(gateway.port).ask() is not None

    await eventually(is_answered, within=60)


async def status(gateway: IstioGateway, path: str, **headers: str) -> tuple[int, str]:
    """Status and text of the answer to a POST."""
    url = f"http://{LOOPBACK}:{gateway.port}{path}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.post(url, headers=named) as response:
        return response.status, await response.text()


async def test_requests_are_split_in_percent_and_at_once_by_other_weights_without_a_failure(
    gateway: IstioGateway,
) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await apply(gateway, FEATURES["weights"], v1, v2)
        answers = await gateway.client.spread(300)
        assert answers["v1"] + answers["v2"] == 300
        assert 200 <= answers["v1"] <= 275
        async with gateway.client.load() as load:
            gateway.apply(v2_route(("v1", 0), ("v2", 100)))
            await answered_by(load, "v2", 200)
        assert gateway.client.failures == []
        assert load[None] == 0
        assert await gateway.client.spread(50) == Counter({"v2": 50})


async def test_change_is_effective_when_the_gateway_responds_to_its_probe(gateway: IstioGateway) -> None:
    probe = RouteProbe(f"http://{LOOPBACK}:{gateway.port}", seconds=0, patience=60)
    async with upstreams("v1", "v2") as (v1, v2):
        serve(gateway, v1, v2)
        for all_requests, none in (("v1", "v2"), ("v2", "v1"), ("v1", "v2")):
            objects = gateway.apply(v2_route((all_requests, 100), (none, 0)))
            await probe(objects)
            assert await gateway.client.spread(20) == Counter({all_requests: 20})


async def test_header_rules_are_evaluated_in_their_order_before_the_weights(gateway: IstioGateway) -> None:
    async with upstreams("v1", "v2", "v3") as (v1, v2, v3):
        rules = (
            rule("v3", x_user=HeaderMatch(exact="ann"), x_region=HeaderMatch(prefix="eu-")),
            rule("v2", x_user=HeaderMatch(regex="a.*")),
        )
        await apply(gateway, v2_route(("v1", 100), ("v2", 0), ("v3", 0), rules=rules), v1, v2, v3)
        ask = gateway.client.ask
        assert [await ask(x_user="ann", x_region="eu-west") for _ in range(20)] == ["v3"] * 20
        assert [await ask(x_user="ann") for _ in range(20)] == ["v2"] * 20
        assert await ask(x_user="bann", x_region="eu-west") == "v1"
        assert await gateway.client.spread(20) == Counter({"v1": 20})


async def test_headers_named_like_parts_of_a_request_are_matched(gateway: IstioGateway) -> None:
    """The description of HTTPMatchRequest.headers says that these are ignored."""
    names = ("authority", "method", "scheme", "uri")
    async with upstreams("v1", "v2") as (v1, v2):
        rules = tuple(rule("v2", **{name: HeaderMatch(exact="beta")}) for name in names)
        await apply(gateway, v2_route(("v1", 100), ("v2", 0), rules=rules), v1, v2)
        assert [await gateway.client.ask(IRIS, **{name: "beta"}) for name in names] == ["v2"] * len(names)
        assert await gateway.client.spread(20) == Counter({"v1": 20})


async def test_headers_with_the_same_name_are_matched_separately(gateway: IstioGateway) -> None:
    """On this machine they are one value, joined by a comma: see docs/serving.md."""
    async with upstreams("v1", "v2") as (v1, v2):
        rules = (rule("v2", x_ring=HeaderMatch(exact="beta")),)
        await apply(gateway, v2_route(("v1", 100), ("v2", 0), rules=rules), v1, v2)
        url = f"http://{LOOPBACK}:{gateway.port}{path_prefix(IRIS)}v2/models/iris"
        rings = [("x-ring", "alpha"), ("x-ring", "beta")]
        async with aiohttp.ClientSession() as session, session.get(url, headers=rings) as response:
            assert response.headers["x-klever-variant"] == "v2"


async def test_model_server_receives_its_own_path_and_the_response_names_the_variant(gateway: IstioGateway) -> None:
    async with upstreams("v1") as (v1,):
        await apply(gateway, v2_route(("v1", 100)), v1)
        answer = await gateway.client.answer(path="v2/models/iris/ready?verbose=1")
        assert answer is not None
        assert (answer.path, answer.variant) == ("/v2/models/iris/ready", "v1")


@pytest.mark.parametrize("path", ["v2/repository/index", "v2/models/x%2F..%2F..%2Frepository/infer", "v2/../metrics"])
async def test_paths_that_are_not_for_clients_reach_no_model_server(gateway: IstioGateway, path: str) -> None:
    async with upstreams("v1") as (v1,):
        await apply(gateway, v2_route(("v1", 100)), v1)
        before = v1.answered
        code, text = await status(gateway, f"{path_prefix(IRIS)}{path}")
        assert (code, text) == (404, '{"error": "this path is not for clients of the model"}')
        assert v1.answered == before


async def test_mirrored_requests_reach_both_versions(gateway: IstioGateway) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        mirror = Mirroring(version_key("v2"), 100)
        await apply(gateway, v2_route(("v1", 100), ("v2", 0), mirror=mirror), v1, v2)
        assert await gateway.client.spread(50) == Counter({"v1": 50})

        async def all_copied() -> bool:
            return v2.answered == v1.answered

        assert await eventually(all_copied)


async def test_client_keeps_its_version_by_the_cookie(gateway: IstioGateway) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await apply(gateway, cookie_route(("v1", 50), ("v2", 50), cookie=Cookie(name="klever")), v1, v2)
        chosen = set()
        for _ in range(20):
            client = gateway.client.another()
            [name] = {await client.ask() for _ in range(4)}
            chosen.add(name)
        assert chosen == {"v1", "v2"}


async def test_requests_with_the_same_header_reach_the_same_replica(gateway: IstioGateway) -> None:
    async with upstreams("one", "two") as (one, two):
        gateway.serve({"v1": (one.endpoint.port, two.endpoint.port)})
        gateway.apply(v2_route(("v1", 100), sticky=Sticky(header="x-user")))

        async def is_answered() -> bool:
            return await gateway.client.ask() is not None

        await eventually(is_answered, within=60)
        by_user = {user: {await gateway.client.ask(x_user=f"user-{user}") for _ in range(4)} for user in range(20)}
        assert all(len(names) == 1 for names in by_user.values())
        assert {name for names in by_user.values() for name in names} == {"one", "two"}


async def test_request_that_takes_longer_than_its_timeout_is_answered_with_504(gateway: IstioGateway) -> None:
    async with upstreams("v1") as (v1,):
        route = replace(FEATURES["custom-server"], timeouts=Timeouts(request_seconds=0.2))
        await apply(gateway, route, v1)
        assert await gateway.client.ask(path="slow") is None
        assert gateway.client.failures == ["504 upstream request timeout"]
        v1.resume.set()


@pytest.mark.parametrize("on_server_error", [True, False])
async def test_server_errors_are_retried_at_another_replica_only_if_the_document_says_so(
    gateway: IstioGateway,
    on_server_error: bool,  # noqa: FBT001 - a case
) -> None:
    async with upstreams("good", "bad") as (good, bad):
        bad.status = 503
        gateway.serve({"v1": (good.endpoint.port, bad.endpoint.port)})
        gateway.apply(v2_route(("v1", 100), retries=Retries(attempts=2, on_server_error=on_server_error)))

        async def is_answered() -> bool:
            return await HttpClient(gateway.port).ask() == "good"

        await eventually(is_answered, within=60)
        answers = await gateway.client.spread(40)
        assert bad.answered > 0
        assert (answers == Counter({"good": 40})) == on_server_error


async def test_request_to_a_replica_that_cannot_be_reached_is_answered_by_another(gateway: IstioGateway) -> None:
    async with upstreams("good") as (good,):
        gateway.serve({"v1": (good.endpoint.port, free_port())})
        gateway.apply(v2_route(("v1", 100)))

        async def is_answered() -> bool:
            return await HttpClient(gateway.port).ask() is not None

        await eventually(is_answered, within=60)
        assert await gateway.client.spread(40) == Counter({"good": 40})
        assert gateway.client.failures == []


async def test_grpc_calls_are_routed_by_the_headers_that_name_the_serving(gateway: IstioGateway) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await apply(gateway, v2_route(("v1", 50), ("v2", 50)), v1, v2, grpc=("v2",))
        v2.status, before = 418, v1.answered
        named = {"seldon": "iris", "namespace": "default"}
        codes = [(await status(gateway, f"{GRPC}/ModelInfer", **named))[0] for _ in range(20)]
        assert (set(codes), v1.answered) == ({405}, before), "the server of v2, which has no POST, has answered all"
        assert (await status(gateway, f"{GRPC}/RepositoryModelLoad", **named))[0] == 404
        assert (await status(gateway, f"{GRPC}/ModelInfer", seldon="other", namespace="default"))[0] == 404
        assert (await status(gateway, f"{GRPC}/ModelInfer", grpc_encoding="gzip", **named))[0] == 415
        assert (await status(gateway, f"{GRPC}/ModelInfer", grpc_encoding="identity", **named))[0] == 405


async def test_every_feature_is_accepted_by_istio(gateway: IstioGateway) -> None:
    objects = []
    for feature in FEATURES:
        if is_rendered("istio", feature):
            objects += [
                {**each, "metadata": {**each["metadata"], "namespace": feature}} for each in rendered("istio", feature)
            ]
    gateway.write("features", objects)
    expected = {(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]) for each in objects}

    async def are_accepted() -> bool:
        return expected <= await gateway.accepted()

    assert await eventually(are_accepted)
