"""Routes as objects of Istio."""

import re
from dataclasses import replace

import pytest

from kleverproto.traffic import Cookie, HeaderMatch, Retries, Sticky, Timeouts
from kleverroutes.errors import UnsupportedRouteError
from kleverroutes.kubernetes.istio import istio_objects
from kleverroutes.kubernetes.services import Json
from kleverroutes.kubernetes.virtual_services import IstioIngress
from kleverroutes.routing import Mirroring, RoutedVersion, ServingRoute
from support.data_planes import version_key, version_route
from support.kubernetes_routes import FEATURES, ServicesOf, cookie_route, rule, v2_route

INGRESS = IstioIngress(("istio-system/klever-gateway",), ("models.example.com",))
V1, V2 = "iris-v1-cafe.default.svc.cluster.local", "iris-v2-cafe.default.svc.cluster.local"


def http(route: ServingRoute, services: ServicesOf | None = None) -> dict[str, Json]:
    """Name to route of the VirtualService, in its order."""
    *_rules, service = istio_objects(route, INGRESS, services or ServicesOf())
    assert service["kind"] == "VirtualService"
    return {each["name"]: each for each in service["spec"]["http"]}


def policies(route: ServingRoute) -> dict[str, Json]:
    """Host to traffic policy."""
    *rules, _service = istio_objects(route, INGRESS, ServicesOf())
    assert {rule["kind"] for rule in rules} == {"DestinationRule"}
    return {rule["spec"]["host"]: rule["spec"]["trafficPolicy"] for rule in rules}


def weights(rendered: Json) -> dict[str, int]:
    return {each["destination"]["host"]: each["weight"] for each in rendered["route"]}


def refusal(route: ServingRoute, services: ServicesOf | None = None) -> str:
    with pytest.raises(UnsupportedRouteError) as refused:
        istio_objects(route, INGRESS, services or ServicesOf())
    return str(refused.value)


def test_virtual_service_is_bound_to_the_gateway_and_hosts_of_the_operator() -> None:
    *_rules, service = istio_objects(FEATURES["weights"], INGRESS, ServicesOf())
    assert service["metadata"] == {"name": "iris", "namespace": "default"}
    assert service["spec"]["gateways"] == ["istio-system/klever-gateway"]
    assert service["spec"]["hosts"] == ["models.example.com"]


def test_requests_are_split_over_the_services_of_the_versions() -> None:
    split = http(FEATURES["weights"])["weights"]
    assert weights(split) == {V1: 80, V2: 20}
    assert split["route"][0]["destination"]["port"] == {"number": 8080}


def test_version_without_weight_gets_no_requests_and_has_a_destination_rule() -> None:
    route = v2_route(("v1", 100), ("v2", 0))
    assert weights(http(route)["weights"]) == {V1: 100}
    assert set(policies(route)) == {V1, V2}


def test_small_share_is_not_rounded_to_none() -> None:
    assert weights(http(v2_route(("v1", 9980), ("v2", 20)))["weights"]) == {V1: 99, V2: 1}


def test_responses_name_their_variant() -> None:
    split = http(FEATURES["weights"])["weights"]
    headers = [each["headers"]["response"]["set"] for each in split["route"]]
    assert headers == [{"x-klever-variant": "v1"}, {"x-klever-variant": "v2"}]


def test_model_server_receives_its_own_path() -> None:
    rewrite = http(FEATURES["weights"])["weights"]["rewrite"]["uriRegexRewrite"]
    path = re.sub(rewrite["match"], rewrite["rewrite"], "/seldon/default/iris/v2/models/iris/infer")
    assert path == "/v2/models/iris/infer"


@pytest.mark.parametrize(
    ("path", "is_open"),
    [
        ("/seldon/default/iris/v2/models/iris/infer", True),
        ("/seldon/default/iris/invocations", True),
        ("/seldon/default/iris/v2/repository/models/iris/unload", False),
        ("/seldon/default/iris2/v2/models/iris/infer", False),
        ("/seldon/default/iris/v2/models/..%2Frepository/infer", False),
    ],
)
def test_only_paths_for_clients_are_routed(path: str, is_open: bool) -> None:  # noqa: FBT001 - a case
    expression = http(FEATURES["weights"])["weights"]["match"][0]["uri"]["regex"]
    assert (re.fullmatch(expression, path) is not None) == is_open


def test_other_paths_of_a_serving_are_answered_with_404_after_all_routes() -> None:
    *_routes, last = http(FEATURES["rules"]).values()
    assert last["match"] == [{"uri": {"prefix": "/seldon/default/iris/"}}]
    assert last["directResponse"]["status"] == 404


def test_all_paths_of_a_custom_server_are_routed() -> None:
    [only] = http(version_route(("v1", 100))).values()
    assert only["match"] == [{"uri": {"prefix": "/seldon/default/iris/"}}]


def test_rules_precede_the_weights_in_their_order() -> None:
    first, second, split, _closed = http(FEATURES["rules"]).values()
    assert first["match"][0]["headers"] == {"x-user": {"exact": "ann"}, "x-region": {"prefix": "eu-"}}
    assert second["match"][0]["headers"] == {"x-user": {"regex": "a.*"}}
    assert [weights(each) for each in (first, second, split)] == [{V2: 100}, {V1: 100}, {V1: 100}]


def test_every_split_is_mirrored_in_the_same_percentage() -> None:
    mirror = Mirroring(version_key("v2"), 12.5)
    rendered = http(replace(FEATURES["rules"], mirror=mirror))
    mirrored = [each["mirrors"] for each in rendered.values() if "route" in each]
    destination = {"host": V2, "port": {"number": 8080}}
    assert mirrored == [[{"destination": destination, "percentage": {"value": 12.5}}]] * 3


def test_sticky_cookie_is_set_by_the_weights_and_matched_before_them() -> None:
    first, second, split, _closed = http(FEATURES["sticky-cookie"]).values()
    cookies = [each["headers"]["response"]["add"]["set-cookie"] for each in split["route"]]
    assert cookies == [f"klever={v}.cafe; Path=/seldon/default/iris/; Max-Age=60; HttpOnly" for v in ("v1", "v2")]
    for rendered, cookie in zip((first, second), cookies, strict=True):
        assert re.fullmatch(rendered["match"][0]["headers"]["cookie"]["regex"], f"a=b; {cookie}")
        assert "add" not in rendered["route"][0]["headers"]["response"]
    assert {policy["loadBalancer"]["simple"] for policy in policies(FEATURES["sticky-cookie"]).values()} == {
        "ROUND_ROBIN"
    }


def test_percent_signs_of_a_cookie_are_not_a_format_of_the_proxy() -> None:
    *_rules, split, _closed = http(cookie_route(("v1", 100), cookie=Cookie(name="a%b"))).values()
    assert split["route"][0]["headers"]["response"]["add"]["set-cookie"].startswith("a%%b=")


def test_sticky_header_is_hashed_over_the_replicas_of_the_only_version() -> None:
    [policy] = policies(FEATURES["sticky-header"]).values()
    assert policy["loadBalancer"] == {"consistentHash": {"httpHeaderName": "x-user"}}


def test_sticky_header_is_refused_while_several_versions_share_the_requests() -> None:
    assert "use sticky.cookie" in refusal(FEATURES["sticky-header-split"])
    assert http(v2_route(("v1", 100), ("v2", 0), sticky=Sticky(header="x-user")))


def test_timeouts_are_those_of_the_document_to_the_millisecond() -> None:
    route = v2_route(("v1", 100), timeouts=Timeouts(request_seconds=90.25, connect_seconds=0.001))
    assert http(route)["weights"]["timeout"] == "90.25s"
    assert policies(route)[V1]["connectionPool"]["tcp"]["connectTimeout"] == "0.001s"
    assert http(v2_route(("v1", 100)))["weights"]["timeout"] == "300s"


def test_unanswered_requests_are_retried_at_another_replica() -> None:
    retries = http(FEATURES["weights"])["weights"]["retries"]
    assert retries["attempts"] == 3
    assert retries["retryOn"] == "connect-failure,refused-stream,reset-before-request,reset"
    assert retries["retryIgnorePreviousHosts"]
    assert "perTryTimeout" not in retries


def test_server_errors_are_retried_if_the_document_says_so() -> None:
    retries = http(FEATURES["retries"])["weights"]["retries"]
    assert (retries["attempts"], retries["perTryTimeout"]) == (2, "1.5s")
    assert "gateway-error" in retries["retryOn"].split(",")


def test_no_attempts_disable_the_retries_of_the_mesh() -> None:
    assert http(FEATURES["no-retries"])["weights"]["retries"] == {"attempts": 0}
    assert http(v2_route(("v1", 100), retries=Retries(attempts=0, per_try_seconds=1)))["weights"]["retries"] == {
        "attempts": 0
    }


def test_grpc_calls_are_routed_by_two_headers_to_the_versions_that_support_them() -> None:
    rendered = http(FEATURES["grpc"], ServicesOf(grpc=("v2",)))
    assert list(rendered) == ["compressed-messages", "rule-1-grpc", "weights-grpc", "rule-1", "weights", "closed"]
    by_rule, split = rendered["rule-1-grpc"], rendered["weights-grpc"]
    serving = {"seldon": {"exact": "iris"}, "namespace": {"exact": "default"}}
    assert by_rule["match"][0]["headers"] == serving | {"x-user": {"exact": "ann"}}
    assert split["match"][0]["headers"] == serving
    assert weights(split) == {V2: 100}
    assert split["route"][0]["destination"]["port"] == {"number": 8081}
    assert "rewrite" not in split
    assert re.fullmatch(split["match"][0]["uri"]["regex"], "/inference.GRPCInferenceService/ModelInfer")
    assert not re.fullmatch(split["match"][0]["uri"]["regex"], "/inference.GRPCInferenceService/RepositoryModelLoad")


def test_grpc_is_not_routed_by_versions_without_weight() -> None:
    route = v2_route(("v1", 100), ("v2", 0))
    assert list(http(route, ServicesOf(grpc=("v2",)))) == ["weights", "closed"]


def test_grpc_is_mirrored_only_to_a_version_that_supports_it() -> None:
    route = replace(FEATURES["grpc"], mirror=Mirroring(version_key("v1"), 100))
    rendered = http(route, ServicesOf(grpc=("v2",)))
    assert "mirrors" in rendered["weights"]
    assert "mirrors" not in rendered["weights-grpc"]


def test_rule_on_a_header_that_names_the_serving_of_a_call_is_refused_with_grpc_only() -> None:
    route = v2_route(("v1", 100), rules=(rule("v1", seldon=HeaderMatch(exact="x")),))
    assert "cannot be combined with gRPC" in refusal(route, ServicesOf(grpc=("v1",)))
    assert http(route)


def test_version_that_may_have_no_replica_is_refused() -> None:
    assert "set minReplicas to 1 or more" in refusal(FEATURES["scale-to-zero"])


def test_all_refusals_are_reported_at_once() -> None:
    idle = tuple(RoutedVersion(version_key(name), can_be_idle=True) for name in ("v1", "v2"))
    sentences = refusal(replace(FEATURES["sticky-header-split"], versions=idle)).split("; ")
    assert len(sentences) == 3


def test_destination_rules_precede_the_virtual_service() -> None:
    kinds = [each["kind"] for each in istio_objects(FEATURES["weights"], INGRESS, ServicesOf())]
    assert kinds == ["DestinationRule", "DestinationRule", "VirtualService"]
