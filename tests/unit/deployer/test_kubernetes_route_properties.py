"""Properties of rendered routes of any document, in any step of a rollout."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klever_deployer.adapters.memory_data_plane import InMemoryDataPlane
from kleverproto.traffic import Cookie, HeaderMatch, HeaderRule, Mirror, Sticky, Traffic
from kleverroutes import routing
from kleverroutes.errors import UnsupportedRouteError
from kleverroutes.kubernetes.services import Json
from kleverroutes.kubernetes.splits import http_splits, percents
from kleverroutes.routing import ServingRoute, Share, Stage
from support.data_planes import version_key
from support.deployer import IRIS, deployment, spec
from support.kubernetes_routes import ServicesOf, rule, v2_route
from support.rendered_routes import gateway_api, istio

NAMES = ("v1", "v2", "v3", "v4")
HEADERS = st.sampled_from(["x-user", "x-ring", "x-age"])
VALUES = st.sampled_from(["a", "ab", "a.b", "b"])
"""Few, so that requests match rules, several at a time."""
matches = st.one_of(
    VALUES.map(lambda value: HeaderMatch(exact=value)),
    VALUES.map(lambda value: HeaderMatch(prefix=value)),
    st.sampled_from(["a|b", ".*", "a.+"]).map(lambda value: HeaderMatch(regex=value)),
)


@st.composite
def traffic(draw: st.DrawFn, names: tuple[str, ...]) -> Traffic:
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(names) - 1, max_size=len(names) - 1)))
    weights = [end - start for start, end in zip([0, *cuts], [*cuts, 100], strict=True)]
    headers = st.dictionaries(HEADERS, matches, min_size=1)
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


def gateway_objects_or_none(route: ServingRoute, services: ServicesOf) -> list[Json]:
    """Return the rendered objects; none if the route is refused."""
    try:
        return gateway_api(replace(route, sticky=None), services)
    except UnsupportedRouteError:
        return []


def gateway_rules(route: ServingRoute, services: ServicesOf) -> list[Json]:
    return [one for each in gateway_objects_or_none(route, services) for one in each["spec"]["rules"]]


@settings(max_examples=40, deadline=None)
@given(routes(), services)
def test_weights_of_istio_are_positive_and_sum_to_a_hundred(route: ServingRoute, services: ServicesOf) -> None:
    for each in istio_routes(istio(route, services)):
        weights = [destination["weight"] for destination in each["route"]]
        assert sum(weights) == 100
        assert min(weights) > 0


@settings(max_examples=40, deadline=None)
@given(routes(), services)
def test_every_destination_of_istio_has_a_destination_rule(route: ServingRoute, services: ServicesOf) -> None:
    objects = istio(route, services)
    ruled = {each["spec"]["host"] for each in objects[:-1]}
    for each in istio_routes(objects):
        mirrors = each.get("mirrors", [])
        assert {destination["destination"]["host"] for destination in (*each["route"], *mirrors)} <= ruled


@settings(max_examples=40, deadline=None)
@given(routes(), services)
def test_header_rules_of_istio_keep_their_order(route: ServingRoute, services: ServicesOf) -> None:
    by_path = [each["match"][0] for each in istio_routes(istio(route, services)) if "rewrite" in each]
    headers = [list(match.get("headers", {}).items()) for match in by_path]
    document = [
        [(each.name, each.match.model_dump(exclude_none=True)) for each in ruled.conditions] for ruled in route.rules
    ]
    assert headers == [*document, []]


@settings(max_examples=40, deadline=None)
@given(routes(), services)
def test_weights_of_the_gateway_api_are_positive_and_sum_to_a_hundred(
    route: ServingRoute, services: ServicesOf
) -> None:
    for each in gateway_rules(route, services):
        weights = [backend["weight"] for backend in each["backendRefs"]]
        assert sum(weights) == 100
        assert min(weights) > 0


ruled_routes = st.lists(
    st.tuples(st.dictionaries(HEADERS, matches, min_size=1), st.sampled_from(["v1", "v2"])), min_size=2, max_size=4
).map(
    lambda drawn: v2_route(("v1", 50), ("v2", 50), rules=tuple(rule(variant, **headers) for headers, variant in drawn))
)
requests = st.dictionaries(HEADERS, VALUES, min_size=1)


@settings(max_examples=100, deadline=None)
@given(ruled_routes, requests)
def test_the_gateway_api_chooses_the_versions_of_the_first_rule_that_matches(
    route: ServingRoute, request: dict[str, str]
) -> None:
    """The match with the most headers wins, then the first one (HTTPRouteRule.matches)."""
    for each in gateway_objects_or_none(route, ServicesOf()):
        matching = [one for one in each["spec"]["rules"] if is_match(one["matches"][0], request)]
        chosen = max(matching, key=lambda one: len(one["matches"][0].get("headers", [])))
        assert {backend["name"] for backend in chosen["backendRefs"]} == expected_services(route, request)


@settings(max_examples=100, deadline=None)
@given(ruled_routes, requests)
def test_istio_chooses_the_versions_of_the_first_rule_that_matches(
    route: ServingRoute, request: dict[str, str]
) -> None:
    chosen = next(
        each
        for each in istio_routes(istio(route, ServicesOf()))
        if all(
            name in request and is_value(match, request[name])
            for name, match in each["match"][0].get("headers", {}).items()
        )
    )
    hosts = {each["destination"]["host"].split(".")[0] for each in chosen["route"]}
    assert hosts == expected_services(route, request)


def expected_services(route: ServingRoute, request: dict[str, str]) -> set[str]:
    """Return the version that the data plane in memory chooses."""
    data_plane = InMemoryDataPlane()
    data_plane.routes[IRIS] = route
    shares = data_plane.shares(IRIS, request)
    return {ServicesOf()(share.version).name for share in shares if share.weight}


def is_match(match: Json, request: dict[str, str]) -> bool:
    """Return whether a match of an HTTPRoute fits the headers of a request."""
    for header in match.get("headers", []):
        kind = "regex" if header.get("type") == "RegularExpression" else "exact"
        if header["name"] not in request or not is_value({kind: header["value"]}, request[header["name"]]):
            return False
    return True


def is_value(match: Json, value: str) -> bool:
    [(kind, expected)] = match.items()
    if kind == "regex":
        return re.fullmatch(expected, value) is not None
    return value.startswith(expected) if kind == "prefix" else bool(value == expected)


@settings(max_examples=40, deadline=None)
@given(routes())
def test_every_version_with_a_weight_gets_requests(route: ServingRoute) -> None:
    shares = [*(ruled.shares for ruled in route.rules), route.shares]
    for each, split in zip(shares, http_splits(route), strict=True):
        assert set(split.percents) == {share.version for share in each if share.weight}


@pytest.mark.parametrize(
    ("weights", "rounded"),
    [((80, 20), (80, 20)), ((9999, 1), (99, 1)), ((1, 1, 1), (34, 33, 33)), ((9997, 1, 1, 1), (97, 1, 1, 1))],
)
def test_weights_are_rounded_to_whole_percents(weights: tuple[int, ...], rounded: tuple[int, ...]) -> None:
    shares = [Share(version_key(f"v{number}"), weight) for number, weight in enumerate(weights)]
    assert tuple(percents(shares).values()) == rounded
