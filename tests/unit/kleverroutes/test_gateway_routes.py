"""Routes as objects of the Gateway API."""

import re
from dataclasses import replace

import pytest

from kleverproto.traffic import HeaderMatch, Retries
from kleverroutes.errors import UnsupportedRouteError
from kleverroutes.kubernetes.gateway_api import gateway_objects
from kleverroutes.kubernetes.http_routes import ExtensionRef, GatewayIngress, duration
from kleverroutes.kubernetes.services import Json
from kleverroutes.routing import Mirroring, ServingRoute
from support.data_planes import version_key, version_route
from support.kubernetes_routes import FEATURES, ServicesOf, rule, v2_route

INGRESS = GatewayIngress("klever-gateway", "klever-system", ("models.example.com",))
SESSIONS = ExtensionRef("gateway.example.com", "Session", "klever-sessions")
RETRIES = ExtensionRef("gateway.example.com", "Retry", "klever-retries")
EXTENDED = replace(INGRESS, sticky=SESSIONS, retries=RETRIES)
ANN = HeaderMatch(exact="ann")


def objects(route: ServingRoute, ingress: GatewayIngress = INGRESS, grpc: tuple[str, ...] = ()) -> dict[str, Json]:
    """Name to HTTPRoute."""
    rendered = gateway_objects(route, ingress, ServicesOf(grpc))
    assert {(each["apiVersion"], each["kind"]) for each in rendered} == {("gateway.networking.k8s.io/v1", "HTTPRoute")}
    return {each["metadata"]["name"]: each for each in rendered}


def rules(route: ServingRoute, ingress: GatewayIngress = INGRESS) -> list[Json]:
    """Those for the paths of models."""
    return list(objects(route, ingress)["iris"]["spec"]["rules"])


def weights(rendered: Json) -> dict[str, int]:
    return {each["name"]: each["weight"] for each in rendered["backendRefs"]}


def filters(rendered: Json, kind: str) -> list[Json]:
    return [each for each in rendered["filters"] if each["type"] == kind]


def refusal(route: ServingRoute, grpc: tuple[str, ...] = ()) -> str:
    with pytest.raises(UnsupportedRouteError) as refused:
        objects(route, grpc=grpc)
    return str(refused.value)


def test_routes_are_attached_to_the_gateway_and_hosts_of_the_operator() -> None:
    spec = objects(FEATURES["weights"])["iris"]["spec"]
    assert spec["parentRefs"] == [{"name": "klever-gateway", "namespace": "klever-system"}]
    assert spec["hostnames"] == ["models.example.com"]
    assert "hostnames" not in objects(FEATURES["weights"], replace(INGRESS, hostnames=()))["iris"]["spec"]


def test_requests_are_split_over_the_services_of_the_versions() -> None:
    [split] = rules(FEATURES["weights"])
    assert split["backendRefs"] == [
        {"name": "iris-v1-cafe", "namespace": "default", "port": 8080, "weight": 80},
        {"name": "iris-v2-cafe", "namespace": "default", "port": 8080, "weight": 20},
    ]


def test_only_paths_for_clients_are_opened_and_rewritten_to_those_of_the_model_server() -> None:
    opened = {}
    for each in objects(FEATURES["weights"]).values():
        [split] = each["spec"]["rules"]
        [match], [rewrite] = split["matches"], filters(split, "URLRewrite")
        assert match["path"]["type"] == "PathPrefix"
        opened[match["path"]["value"]] = rewrite["urlRewrite"]["path"]["replacePrefixMatch"]
    own = ("/v2/models/iris", "/v2/health", "/openscoring/model/iris", "/invocations", "/ping")
    assert opened == {f"/seldon/default/iris{path}": path for path in own}


def test_all_paths_of_a_custom_server_are_opened() -> None:
    [only] = objects(version_route(("v1", 100))).values()
    [split] = only["spec"]["rules"]
    assert split["matches"] == [{"path": {"type": "PathPrefix", "value": "/seldon/default/iris"}}]
    assert filters(split, "URLRewrite")[0]["urlRewrite"]["path"]["replacePrefixMatch"] == "/"


def test_rules_precede_the_weights_in_their_order() -> None:
    first, second, split = rules(FEATURES["rules"])
    assert first["matches"][0]["headers"] == [
        {"name": "x-user", "value": "ann"},
        {"name": "x-region", "type": "RegularExpression", "value": r"eu\-.*"},
    ]
    assert second["matches"][0]["headers"] == [{"name": "x-user", "type": "RegularExpression", "value": "a.*"}]
    assert "headers" not in split["matches"][0]
    assert [weights(each) for each in (first, second)] == [{"iris-v2-cafe": 100}, {"iris-v1-cafe": 100}]


def test_prefix_matches_itself_as_an_expression() -> None:
    route = v2_route(("v1", 100), rules=(rule("v1", x_user=HeaderMatch(prefix="a.(b")),))
    expression = rules(route)[0]["matches"][0]["headers"][0]["value"]
    assert re.fullmatch(expression, "a.(bc")
    assert not re.fullmatch(expression, "axxb")


def test_rule_with_more_headers_after_one_with_fewer_is_refused() -> None:
    one, two = rule("v1", x_user=ANN), rule("v1", x_user=ANN, x_ring=ANN)
    assert "put rules with more headers first" in refusal(v2_route(("v1", 100), rules=(one, two)))
    assert rules(v2_route(("v1", 100), rules=(two, one, one)))


@pytest.mark.parametrize(("grpc", "limit"), [((), 15), (("v1",), 13)], ids=["http", "grpc"])
def test_more_rules_than_an_object_can_have_are_refused(grpc: tuple[str, ...], limit: int) -> None:
    route = v2_route(("v1", 100), rules=(rule("v1", x_user=ANN),) * limit)
    for each in objects(route, grpc=grpc).values():
        matches = [len(rendered["matches"]) for rendered in each["spec"]["rules"]]
        assert len(matches) <= 16
        assert sum(matches) <= 128
    more = replace(route, rules=(*route.rules, route.rules[0]))
    assert f"{limit} header rules" in refusal(more, grpc)


@pytest.mark.parametrize(
    ("percent", "rendered"),
    [(25, {"percent": 25}), (100, {"percent": 100}), (12.5, {"fraction": {"numerator": 125000, "denominator": 10**6}})],
)
def test_requests_are_mirrored_in_percent(percent: float, rendered: Json) -> None:
    [split] = rules(v2_route(("v1", 100), ("v2", 0), mirror=Mirroring(version_key("v2"), percent)))
    [mirror] = filters(split, "RequestMirror")
    backend = {"name": "iris-v2-cafe", "namespace": "default", "port": 8080}
    assert mirror["requestMirror"] == {"backendRef": backend, **rendered}


@pytest.mark.parametrize(
    ("seconds", "rendered"), [(300, "300s"), (90.25, "90s250ms"), (0.001, "1ms"), (3600, "3600s"), (1.9996, "2s")]
)
def test_durations_have_no_fractions(seconds: float, rendered: str) -> None:
    assert duration(seconds) == rendered
    assert re.fullmatch(r"([0-9]{1,5}(h|m|s|ms)){1,4}", rendered)


def test_request_timeout_is_that_of_the_document() -> None:
    assert rules(FEATURES["request-timeout"])[0]["timeouts"] == {"request": "90s250ms"}


def test_timeout_of_connections_is_refused() -> None:
    assert "remove timeouts.connectSeconds" in refusal(FEATURES["connect-timeout"])


@pytest.mark.parametrize("feature", ["sticky-cookie", "sticky-header"])
def test_sticky_sessions_are_refused_or_delegated_to_an_extension_of_the_operator(feature: str) -> None:
    assert "remove traffic.sticky" in refusal(FEATURES[feature])
    [split] = rules(FEATURES[feature], replace(INGRESS, sticky=SESSIONS))
    assert filters(split, "ExtensionRef") == [{"type": "ExtensionRef", "extensionRef": vars(SESSIONS)}]


def test_delegated_cookie_leaves_the_other_rules() -> None:
    route = FEATURES["sticky-cookie"]
    own = rule("v1", cookie=HeaderMatch(regex=".*staff.*"))
    kept, split = rules(replace(route, rules=(own, *route.rules)), EXTENDED)
    assert [each["name"] for each in kept["matches"][0]["headers"]] == ["cookie"]
    assert weights(split) == {"iris-v1-cafe": 50, "iris-v2-cafe": 50}


@pytest.mark.parametrize("feature", ["retries", "no-retries"])
def test_retries_are_refused_or_delegated_to_an_extension_of_the_operator(feature: str) -> None:
    assert "remove retries" in refusal(FEATURES[feature])
    [split] = rules(FEATURES[feature], EXTENDED)
    assert filters(split, "ExtensionRef") == [{"type": "ExtensionRef", "extensionRef": vars(RETRIES)}]


def test_default_retries_are_left_to_the_gateway() -> None:
    assert rules(v2_route(("v1", 100), retries=Retries()))


def test_grpc_calls_are_routed_by_two_headers_to_the_versions_that_support_them() -> None:
    rendered = objects(FEATURES["grpc"], grpc=("v2",))
    by_rule, split = rendered["iris.grpc"]["spec"]["rules"]
    serving = [{"name": "seldon", "value": "iris"}, {"name": "namespace", "value": "default"}]
    assert by_rule["matches"][0]["headers"] == [*serving, {"name": "x-user", "value": "ann"}]
    assert split["matches"][0]["headers"] == serving
    assert split["backendRefs"] == [{"name": "iris-v2-cafe", "namespace": "default", "port": 8081, "weight": 100}]
    calls = {match["path"]["value"] for match in split["matches"]}
    assert "/inference.GRPCInferenceService/ModelInfer" in calls
    assert "/inference.GRPCInferenceService/RepositoryModelLoad" not in calls


def test_grpc_is_mirrored_only_to_a_version_that_supports_it() -> None:
    route = replace(FEATURES["grpc"], mirror=Mirroring(version_key("v1"), 100))
    rendered = objects(route, grpc=("v2",))
    assert filters(rendered["iris"]["spec"]["rules"][0], "RequestMirror")
    assert "filters" not in rendered["iris.grpc"]["spec"]["rules"][0]


def test_rule_on_a_header_that_names_the_serving_of_a_call_is_refused_with_grpc_only() -> None:
    route = v2_route(("v1", 100), rules=(rule("v1", namespace=ANN),))
    assert "cannot be combined with gRPC" in refusal(route, grpc=("v1",))
    assert rules(route)


def test_version_that_may_have_no_replica_is_refused() -> None:
    assert "set minReplicas to 1 or more" in refusal(FEATURES["scale-to-zero"])
