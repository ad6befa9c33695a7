"""How requests are spread, in and out of a rollout."""

from dataclasses import replace

import pytest

from klever_deployer.domain import paths, routing
from klever_deployer.domain.replicas import Deployment, Endpoint, ReplicaKey, ReplicaState
from klever_deployer.domain.routing import Backend, BackendKey, ServingRoute, Share, Stage, successor
from kleverproto.strategies import BlueGreen
from kleverproto.traffic import HeaderMatch, HeaderRule, Mirror
from kleverproto.variants import Autoscaling
from support.deployer import IRIS, deployment, key, spec, variant

HERE, THERE = Endpoint("127.0.0.1", 7001), Endpoint("127.0.0.1", 7002)
GERMAN = HeaderRule(headers={"accept-language": HeaderMatch(prefix="de")}, variant="v2")


def ready(replica: ReplicaKey, endpoint: Endpoint = HERE) -> ReplicaState:
    return ReplicaState(replica, endpoint, ready=True)


def backend(version: str) -> BackendKey:
    return BackendKey(IRIS, version, key(version).revision)


def shares(route: ServingRoute) -> dict[str, int]:
    return {share.backend.variant: share.weight for share in route.shares}


def two(percent: int = 100) -> Stage:
    """v1 serves; v2 is tried in its place."""
    return Stage(IRIS, spec("v2"), (deployment("v2"),), (deployment("v1"),), spec("v1"), percent)


def with_rule(stage: Stage) -> Stage:
    traffic = stage.spec.traffic.model_copy(update={"rules": (GERMAN,)})
    return replace(stage, spec=stage.spec.model_copy(update={"traffic": traffic}))


def test_requests_go_to_replicas_that_are_ready() -> None:
    states = [
        ready(key("v1", 1), THERE),
        ReplicaState(key("v1", 2)),
        ready(key("v1", 0), HERE),
        ReplicaState(key("v2")),
    ]
    wanted = (deployment("v1", replicas=3), deployment("v2"))
    found = routing.route(Stage(IRIS, spec("v1", "v2", weights=(80, 20)), wanted), states)
    assert [each.endpoints for each in found.backends] == [(HERE, THERE), ()]
    assert shares(found) == {"v1": 8000, "v2": 2000}


def test_requests_go_to_replicas_that_are_too_busy_to_say_that_they_are_ready_only_where_none_is() -> None:
    busy = ReplicaState(key("v1", 1), THERE)
    stage = Stage(IRIS, spec("v1"), (deployment("v1", replicas=2),))
    assert routing.route(stage, [ready(key("v1"), HERE), busy]).backends[0].endpoints == (HERE,)
    assert routing.route(stage, [ReplicaState(key("v1")), busy]).backends[0].endpoints == (THERE,)
    assert routing.route(stage, [busy], lambda _key: HERE).backends[0].endpoints == (THERE,)


def test_a_variant_that_may_be_idle_has_its_requests_wait_while_it_is() -> None:
    idle = Deployment(variant("v1", autoscaling=Autoscaling(min_replicas=0, max_replicas=2)), 0)
    stage = Stage(IRIS, spec("v1"), (idle,))
    assert routing.route(stage, [], lambda _key: THERE).backends[0].endpoints == (THERE,)
    awake = replace(stage, wanted=(replace(idle, replicas=1),))
    assert routing.route(awake, [ready(key("v1"))], lambda _key: THERE).backends[0].endpoints == (HERE,)


def test_one_that_must_not_be_idle_has_nobody_wait() -> None:
    assert (
        routing.route(Stage(IRIS, spec("v1"), (deployment("v1"),)), [], lambda _key: THERE).backends[0].endpoints == ()
    )


def test_in_a_rollout_the_old_version_keeps_the_rest() -> None:
    assert shares(routing.route(two(25), [])) == {"v2": 2500, "v1": 7500}
    assert routing.percents(two(25)) == {
        ("v1", key("v1").revision): 75,
        ("v2", key("v2").revision): 25,
    }


@pytest.mark.parametrize("percent", range(1, 100))
def test_percents_sum_to_a_hundred_in_every_step_of_a_rollout(percent: int) -> None:
    stage = replace(
        two(percent),
        stable=(deployment("v1"), deployment("v3")),
        stable_spec=spec("v1", "v3", weights=(80, 20)),
    )
    assert sum(routing.percents(stage).values()) == 100
    assert routing.variant_percents(stage)["v2"] == percent


def test_weights_of_both_specs_hold_within_their_parts() -> None:
    stage = replace(
        two(10),
        stable=(deployment("v1"), deployment("v2")),
        stable_spec=spec("v1", "v2", weights=(60, 40)),
    )
    assert shares(routing.route(stage, [])) == {"v1": 5400, "v2": 1000 + 3600}


def test_a_rule_leads_to_its_variant_whatever_the_weights() -> None:
    wanted = (deployment("v1"), deployment("v2"))
    found = routing.route(with_rule(Stage(IRIS, spec("v1", "v2", weights=(100, 0)), wanted)), [])
    [rule] = found.rules
    assert rule.headers == (("accept-language", HeaderMatch(prefix="de")),)
    assert [share.backend for share in rule.shares] == [backend("v2")]


def test_a_rule_for_a_variant_in_a_rollout_is_split_as_the_rollout_is() -> None:
    old = Deployment(variant("v2").model_copy(update={"env": {"OLD": "1"}}), 1)
    stage = with_rule(replace(two(30), stable=(old,), stable_spec=spec("v2")))
    [rule] = routing.route(stage, []).rules
    assert [(share.backend.revision, share.weight) for share in rule.shares] == [
        (key("v2").revision, 30),
        (old.revision, 70),
    ]


def test_a_blue_green_version_that_waits_is_reached_by_its_header_only() -> None:
    stage = replace(two(0), spec=spec("v2").model_copy(update={"strategy": BlueGreen(preview_header="x-try")}))
    found = routing.route(stage, [])
    assert shares(found) == {"v2": 0, "v1": 10000}
    [preview] = found.rules
    assert (preview.headers, preview.shares[0].backend) == ((("x-try", HeaderMatch(exact="true")),), backend("v2"))


def test_a_mirror_names_its_backend() -> None:
    traffic = spec("v1", "v2", weights=(100, 0)).traffic.model_copy(update={"mirror": Mirror(variant="v2", percent=20)})
    of = spec("v1", "v2", weights=(100, 0)).model_copy(update={"traffic": traffic})
    found = routing.route(Stage(IRIS, of, (deployment("v1"), deployment("v2"))), [])
    assert found.mirror == routing.Mirroring(backend("v2"), 20)


def test_a_routing_table_survives_json() -> None:
    table = {IRIS: routing.route(with_rule(two(25)), [ready(key("v1"))])}
    assert routing.load_table(routing.dump_table(table)) == table


def test_the_url_is_that_of_seldon_core() -> None:
    assert paths.infer_url("http://host", IRIS) == "http://host/seldon/default/iris/v2/models/iris/infer"


def test_a_backend_is_found_again_by_its_name() -> None:
    key = BackendKey(IRIS, "v1", "cafe")
    assert BackendKey.parse(key.name) == key
    assert [BackendKey.parse(name) for name in ("", "a/b/c", "a/b/c/d/e")] == [None, None, None]


@pytest.mark.parametrize(
    ("asked", "serves"),
    [
        (("v1", "new"), ("v1", "new")),
        (("v1", "older"), ("v1", "old")),  # the one of its variant with the most weight
        (("v3", "gone"), ("v2", "only")),  # no variant of that name any more
    ],
)
def test_what_was_sent_to_a_superseded_revision_goes_to_what_serves_now(
    asked: tuple[str, str], serves: tuple[str, str]
) -> None:
    weights = {("v1", "new"): 10, ("v1", "old"): 30, ("v2", "only"): 60}
    keys = {each: BackendKey(IRIS, *each) for each in weights}
    route = ServingRoute(
        IRIS,
        tuple(Backend(key, ()) for key in keys.values()),
        tuple(Share(keys[each], weight) for each, weight in weights.items()),
    )
    assert successor(BackendKey(IRIS, *asked), route) == keys[serves]
    assert successor(BackendKey(IRIS, *asked), ServingRoute(IRIS, (), ())) is None
