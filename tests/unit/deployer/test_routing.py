"""The distribution of requests, during a rollout and otherwise."""

from dataclasses import replace

import pytest

from klever_deployer.adapters.local.placed_routes import Endpoints, dump_table, load_table, placed
from klever_deployer.adapters.local.replica_specs import Endpoint
from kleverproto.strategies import BlueGreen
from kleverproto.traffic import HeaderMatch, HeaderRule, Mirror
from kleverproto.variants import Autoscaling
from kleverroutes import paths, routing
from kleverroutes.routing import HeaderCondition, RoutedVersion, ServingRoute, Share, Stage, successor
from kleverroutes.versions import Deployment, VersionKey
from support.deployer import IRIS, deployment, key, spec, variant

HERE, THERE = Endpoint("127.0.0.1", 7001), Endpoint("127.0.0.1", 7002)
GERMAN = HeaderRule(headers={"accept-language": HeaderMatch(prefix="de")}, variant="v2")


def shares(route: ServingRoute) -> dict[str, int]:
    return {share.version.variant: share.weight for share in route.shares}


def two(percent: int = 100) -> Stage:
    """A stage in which v1 serves and v2 is rolled out."""
    return Stage(IRIS, spec("v2"), (deployment("v2"),), (deployment("v1"),), spec("v1"), percent)


def with_rule(stage: Stage) -> Stage:
    traffic = stage.spec.traffic.model_copy(update={"rules": (GERMAN,)})
    return replace(stage, spec=stage.spec.model_copy(update={"traffic": traffic}))


def test_a_route_names_the_running_versions_and_those_that_may_be_idle() -> None:
    idle = Deployment(variant("v2", autoscaling=Autoscaling(min_replicas=0, max_replicas=2)), 0)
    route = routing.route(Stage(IRIS, spec("v1", "v2", weights=(80, 20)), (deployment("v1", replicas=3), idle)))
    assert route.versions == (RoutedVersion(key("v1")), RoutedVersion(key("v2"), can_be_idle=True))
    assert shares(route) == {"v1": 8000, "v2": 2000}


def test_the_larger_replica_count_is_kept_until_the_rollout_completes() -> None:
    stage = replace(two(50), wanted=(deployment("v1"), deployment("v2")), stable=(deployment("v1", replicas=3),))
    assert [(each.variant.name, each.replicas) for each in stage.running] == [("v1", 3), ("v2", 1)]
    assert stage.held == stage.running
    assert replace(stage, wanted=(deployment("v2"),)).held == (deployment("v2"),)


def test_the_old_version_keeps_the_rest_during_a_rollout() -> None:
    assert shares(routing.route(two(25))) == {"v2": 2500, "v1": 7500}
    assert routing.percents(two(25)) == {
        key("v1"): 75,
        key("v2"): 25,
    }


@pytest.mark.parametrize("percent", range(1, 100))
def test_percentages_sum_to_a_hundred_in_every_step_of_a_rollout(percent: int) -> None:
    stage = replace(
        two(percent),
        stable=(deployment("v1"), deployment("v3")),
        stable_spec=spec("v1", "v3", weights=(80, 20)),
    )
    assert sum(routing.percents(stage).values()) == 100
    assert routing.variant_percents(stage)["v2"] == percent


def test_the_weights_of_both_specs_apply_within_their_shares() -> None:
    stage = replace(
        two(10),
        stable=(deployment("v1"), deployment("v2")),
        stable_spec=spec("v1", "v2", weights=(60, 40)),
    )
    assert shares(routing.route(stage)) == {"v1": 5400, "v2": 1000 + 3600}


def test_a_rule_selects_its_variant_whatever_the_weights() -> None:
    wanted = (deployment("v1"), deployment("v2"))
    routed = routing.route(with_rule(Stage(IRIS, spec("v1", "v2", weights=(100, 0)), wanted)))
    [rule] = routed.rules
    assert rule.conditions == (HeaderCondition("accept-language", HeaderMatch(prefix="de")),)
    assert [share.version for share in rule.shares] == [key("v2")]


def test_a_rule_for_a_variant_in_a_rollout_is_split_like_the_rollout() -> None:
    old = Deployment(variant("v2").model_copy(update={"env": {"OLD": "1"}}), 1)
    stage = with_rule(replace(two(30), stable=(old,), stable_spec=spec("v2")))
    [rule] = routing.route(stage).rules
    assert [(share.version.revision, share.weight) for share in rule.shares] == [
        (key("v2").revision, 30),
        (old.revision, 70),
    ]


def test_a_waiting_blue_green_version_is_reached_only_by_its_header() -> None:
    stage = replace(two(0), spec=spec("v2").model_copy(update={"strategy": BlueGreen(preview_header="x-try")}))
    routed = routing.route(stage)
    assert shares(routed) == {"v2": 0, "v1": 10000}
    [preview] = routed.rules
    assert (preview.conditions, preview.shares[0].version) == (
        (HeaderCondition("x-try", HeaderMatch(exact="true")),),
        key("v2"),
    )


def test_a_mirror_names_its_version() -> None:
    traffic = spec("v1", "v2", weights=(100, 0)).traffic.model_copy(update={"mirror": Mirror(variant="v2", percent=20)})
    of = spec("v1", "v2", weights=(100, 0)).model_copy(update={"traffic": traffic})
    routed = routing.route(Stage(IRIS, of, (deployment("v1"), deployment("v2"))))
    assert routed.mirror == routing.Mirroring(key("v2"), 20)


def test_a_routing_table_survives_json() -> None:
    route = routing.route(with_rule(two(25)))
    table = {IRIS: placed(route, lambda _version: (HERE, THERE), lambda _version: HERE)}
    assert load_table(dump_table(table)) == table


def test_the_url_is_that_of_seldon_core() -> None:
    assert paths.infer_url("http://host", IRIS) == "http://host/seldon/default/iris/v2/models/iris/infer"


def test_a_version_is_found_by_its_name() -> None:
    key = VersionKey(IRIS, "v1", "cafe")
    assert VersionKey.parse(key.name) == key
    assert [VersionKey.parse(name) for name in ("", "a/b/c", "a/b/c/d/e")] == [None, None, None]


@pytest.mark.parametrize(
    ("asked", "serves"),
    [
        (("v1", "new"), ("v1", "new")),
        (("v1", "older"), ("v1", "old")),  # the revision of its variant with the most weight
        (("v3", "gone"), ("v2", "only")),  # no variant has that name any more
    ],
)
def test_requests_for_a_superseded_revision_go_to_the_current_one(
    asked: tuple[str, str], serves: tuple[str, str]
) -> None:
    weights = {("v1", "new"): 10, ("v1", "old"): 30, ("v2", "only"): 60}
    keys = {each: VersionKey(IRIS, *each) for each in weights}
    route = ServingRoute(
        IRIS,
        tuple(RoutedVersion(key) for key in keys.values()),
        tuple(Share(keys[each], weight) for each, weight in weights.items()),
    )
    assert successor(VersionKey(IRIS, *asked), route) == keys[serves]
    assert successor(VersionKey(IRIS, *asked), ServingRoute(IRIS, (), ())) is None


@pytest.mark.parametrize(
    ("can_be_idle", "replicas", "expected"),
    [(True, (), (THERE,)), (True, (HERE,), (HERE,)), (False, (), ())],
    ids=["idle", "started", "lost"],
)
def test_requests_for_an_idle_version_wait_if_it_may_be_idle(
    can_be_idle: bool,  # noqa: FBT001 - a case
    replicas: Endpoints,
    expected: Endpoints,
) -> None:
    route = ServingRoute(IRIS, (RoutedVersion(key("v1"), can_be_idle),), ())
    [place] = placed(route, lambda _version: replicas, lambda _version: THERE).places
    assert (place.version, place.endpoints) == (key("v1"), expected)
