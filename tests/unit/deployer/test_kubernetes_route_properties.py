"""Properties of rendered routes of any document, in any step of a rollout."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klever_deployer.adapters.kubernetes.routes.services import Json
from klever_deployer.adapters.kubernetes.routes.splits import http_splits, percents
from klever_deployer.domain import routing
from klever_deployer.domain.routing import ServingRoute, Share, Stage
from kleverproto.traffic import Cookie, HeaderMatch, HeaderRule, Mirror, Sticky, Traffic
from support.data_planes import version_key
from support.deployer import IRIS, deployment, spec
from support.kubernetes_routes import ServicesOf
from support.rendered_routes import istio

NAMES = ("v1", "v2", "v3", "v4")
values = st.text("abc,;= ", min_size=1, max_size=5).map(lambda text: f"x{text}x")
matches = st.one_of(
    values.map(lambda value: HeaderMatch(exact=value)),
    values.map(lambda value: HeaderMatch(prefix=value)),
    st.sampled_from(["a|b", ".*", "[0-9]+"]).map(lambda value: HeaderMatch(regex=value)),
)


@st.composite
def traffic(draw: st.DrawFn, names: tuple[str, ...]) -> Traffic:
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(names) - 1, max_size=len(names) - 1)))
    weights = [end - start for start, end in zip([0, *cuts], [*cuts, 100], strict=True)]
    headers = st.dictionaries(st.sampled_from(["x-user", "x-ring", "x-age"]), matches, min_size=1)
    rules = st.lists(st.builds(HeaderRule, headers=headers, variant=st.sampled_from(names)), max_size=5)
    mirrors = st.builds(Mirror, variant=st.sampled_from(names), percent=st.floats(0.1, 100))
    return Traffic(
        weights=dict(zip(names, weights, strict=True)),
        rules=tuple(draw(rules)),
        mirror=draw(st.none() | mirrors),
        sticky=draw(st.sampled_from([None, Sticky(cookie=Cookie(name="klever"))])),
    )


@st.composite
def routes(draw: st.DrawFn) -> ServingRoute:
    """The route of a document, or of a step from another document to it."""
    wanted, stable = (
        tuple(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))) for _ in range(2)
    )
    specs = [spec(*names, weights=(100, *(0,) * (len(names) - 1))) for names in (wanted, stable)]
    new, old = (each.replace(traffic=draw(traffic(names))) for each, names in zip(specs, (wanted, stable), strict=True))
    parts = (tuple(map(deployment, wanted)), tuple(map(deployment, stable)))
    return routing.route(Stage(IRIS, new, *parts, old, draw(st.integers(1, 100))))


services = st.lists(st.sampled_from(NAMES), unique=True).map(lambda grpc: ServicesOf(tuple(grpc)))


def istio_routes(objects: list[Json]) -> list[Json]:
    return [each for each in objects[-1]["spec"]["http"] if "route" in each]


@given(routes(), services)
def test_weights_of_istio_are_positive_and_sum_to_a_hundred(route: ServingRoute, services: ServicesOf) -> None:
    for each in istio_routes(istio(route, services)):
        weights = [destination["weight"] for destination in each["route"]]
        assert sum(weights) == 100
        assert min(weights) > 0


@given(routes(), services)
def test_every_destination_of_istio_has_a_destination_rule(route: ServingRoute, services: ServicesOf) -> None:
    objects = istio(route, services)
    ruled = {each["spec"]["host"] for each in objects[:-1]}
    for each in istio_routes(objects):
        mirrors = each.get("mirrors", [])
        assert {destination["destination"]["host"] for destination in (*each["route"], *mirrors)} <= ruled


@given(routes(), services)
def test_header_rules_of_istio_keep_their_order(route: ServingRoute, services: ServicesOf) -> None:
    by_path = [each["match"][0] for each in istio_routes(istio(route, services)) if "rewrite" in each]
    headers = [list(match.get("headers", {}).items()) for match in by_path]
    document = [
        [(each.name, each.match.model_dump(exclude_none=True)) for each in rule.conditions] for rule in route.rules
    ]
    assert headers == [*document, []]


@given(routes())
def test_every_version_with_a_weight_gets_requests(route: ServingRoute) -> None:
    for rule, split in zip([*(rule.shares for rule in route.rules), route.shares], http_splits(route), strict=True):
        assert set(split.percents) == {share.version for share in rule if share.weight}


@pytest.mark.parametrize(
    ("weights", "rounded"),
    [((80, 20), (80, 20)), ((9999, 1), (99, 1)), ((1, 1, 1), (34, 33, 33)), ((9997, 1, 1, 1), (97, 1, 1, 1))],
)
def test_weights_are_rounded_to_whole_percents(weights: tuple[int, ...], rounded: tuple[int, ...]) -> None:
    shares = [Share(version_key(f"v{number}"), weight) for number, weight in enumerate(weights)]
    assert tuple(percents(shares).values()) == rounded
