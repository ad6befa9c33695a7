"""Envoy's configuration as data."""

import sys
from dataclasses import dataclass, replace

import pytest

from klever_deployer.adapters.local import envoy_config, envoy_listener
from klever_deployer.adapters.local.access_keys import AccessKeys
from klever_deployer.adapters.local.placed_routes import Place, PlacedRoute, RoutingTable
from klever_deployer.adapters.local.replica_specs import Endpoint
from kleverproto.traffic import Retries
from kleverroutes.routing import RoutedVersion, ServingRoute, Share
from kleverroutes.versions import ServingName, VersionKey
from support.data_planes import changed
from support.deployer import IRIS

OTHER = ServingName("default", "abalone")
LIMIT = 1_000_000


@dataclass(frozen=True)
class Part:
    """The share of a variant in a route."""

    variant: str
    revision: str
    weight: int
    endpoints: tuple[Endpoint, ...]


OLD = Part("v1", "aaaa", 80, (Endpoint("127.0.0.1", 7002), Endpoint("127.0.0.1", 7001)))
NEW = Part("v2", "bbbb", 20, (Endpoint("127.0.0.1", 7003),))


def table(*parts: Part, serving: ServingName = IRIS) -> RoutingTable:
    keys = [VersionKey(serving, part.variant, part.revision) for part in parts]
    versions = tuple(RoutedVersion(key) for key in keys)
    places = tuple(Place(key, part.endpoints) for key, part in zip(keys, parts, strict=True))
    shares = tuple(Share(key, part.weight) for key, part in zip(keys, parts, strict=True))
    return {serving: PlacedRoute(ServingRoute(serving, versions, shares), places)}


def cluster_names(of: RoutingTable) -> set[str]:
    return {cluster["name"] for cluster in envoy_config.clusters(of)}


def endpoints(cluster: envoy_config.Json) -> list[int]:
    [locality] = cluster["load_assignment"]["endpoints"]
    return [each["endpoint"]["address"]["socket_address"]["port_value"] for each in locality["lb_endpoints"]]


def route_list(of: RoutingTable) -> list[envoy_config.Json]:
    [configuration] = envoy_config.routes(of, limit=LIMIT)
    [host] = configuration["virtual_hosts"]
    refusal, *closed, last = host["routes"]
    exposed = [*(each for each in closed if "not for clients" not in str(each)), last]
    assert len(closed) - len(exposed) == 1, "what is closed is refused"
    assert refusal["match"]["prefix"] == "/inference.GRPCInferenceService/"
    assert refusal["direct_response"]["status"] == 415
    return exposed


def test_each_variant_is_a_cluster_of_its_replicas_in_a_stable_order() -> None:
    first, second = envoy_config.clusters(table(OLD, NEW))
    assert (first["name"], endpoints(first)) == ("default/iris/v1/aaaa", [7001, 7002])
    assert (second["name"], endpoints(second)) == ("default/iris/v2/bbbb", [7003])


def test_a_new_revision_changes_the_cluster_and_a_new_weight_does_not() -> None:
    name = cluster_names(table(OLD))
    assert cluster_names(table(replace(OLD, weight=10))) == name
    assert cluster_names(table(replace(OLD, revision="cccc"))).isdisjoint(name)


def test_a_route_splits_by_weight_and_names_the_variant_that_answered() -> None:
    route, _rest = route_list(table(OLD, NEW))
    clusters = route["route"]["weighted_clusters"]["clusters"]
    assert route["match"] == {"prefix": "/seldon/default/iris/", "headers": []}
    assert [(cluster["name"], cluster["weight"]) for cluster in clusters] == [
        ("default/iris/v1/aaaa", 80),
        ("default/iris/v2/bbbb", 20),
    ]
    [header] = clusters[1]["response_headers_to_add"]
    assert header["header"] == {"key": "x-klever-variant", "value": "v2"}


def test_the_model_server_sees_the_path_without_the_prefix() -> None:
    route, _rest = route_list(table(OLD))
    assert route["route"]["prefix_rewrite"] == "/"


def test_unanswered_requests_are_retried_at_another_replica() -> None:
    route, _rest = route_list(table(OLD))
    policy = route["route"]["retry_policy"]
    assert set(policy["retry_on"].split(",")) == {
        "connect-failure",
        "refused-stream",
        "reset-before-request",
        "reset",
    }
    assert policy["num_retries"] == 3
    [predicate] = policy["retry_host_predicate"]
    assert predicate["name"] == "envoy.retry_host_predicates.previous_hosts"


def test_a_recovered_replica_gets_requests_soon_and_ejection_stops_if_all_are_ejected() -> None:
    outliers = envoy_config.clusters(table(OLD))[0]["outlier_detection"]
    assert (outliers["interval"], outliers["max_ejection_time"]) == ("0.100s", "0.300s")
    assert outliers["max_ejection_percent"] == 100


def test_retries_can_be_disabled() -> None:
    route, _rest = route_list({IRIS: changed(table(OLD)[IRIS], retries=Retries(attempts=0))})
    assert route["route"]["retry_policy"]["num_retries"] == 0


def test_server_errors_are_retried_on_request() -> None:
    careless = changed(table(OLD)[IRIS], retries=Retries(attempts=5, on_server_error=True, per_try_seconds=0.5))
    route, _rest = route_list({IRIS: careless})
    policy = route["route"]["retry_policy"]
    assert (policy["num_retries"], policy["per_try_timeout"]) == (5, "0.500s")
    assert "gateway-error" in policy["retry_on"].split(",")


def test_every_cluster_that_a_route_names_exists() -> None:
    both = table(OLD, NEW) | table(NEW, serving=OTHER)
    names = {cluster["name"] for cluster in envoy_config.clusters(both)}
    weighted = [route["route"]["weighted_clusters"]["clusters"] for route in route_list(both)[:-1]]
    assert {cluster["name"] for clusters in weighted for cluster in clusters} == names


def test_unserved_paths_are_404_with_the_command_that_lists_servings() -> None:
    [rest] = route_list({})
    assert rest["match"] == {"prefix": "/"}
    assert rest["direct_response"]["status"] == 404
    assert "klever get" in rest["direct_response"]["body"]["inline_string"]


def test_servings_precede_the_fallback_in_a_stable_order() -> None:
    routes = route_list(table(OLD) | table(NEW, serving=OTHER))
    assert [route["match"]["prefix"] for route in routes] == ["/seldon/default/abalone/", "/seldon/default/iris/", "/"]


def test_the_listener_takes_its_routes_from_a_file_and_never_changes() -> None:
    listener, *_relayed = envoy_listener.listeners("127.0.0.1", 8081, "/envoy", None, limit=LIMIT)
    assert listener["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 8081}
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["rds"]["config_source"]["path_config_source"] == {"path": "/envoy/rds.json"}
    assert manager["rds"]["route_config_name"] == envoy_config.routes({}, limit=LIMIT)[0]["name"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets another process hold the port")
def test_relayed_requests_are_treated_like_direct_ones_except_for_one_request() -> None:
    managers = [
        listener["filter_chains"][0]["filters"][0]["typed_config"]
        for listener in envoy_listener.listeners("127.0.0.1", 8081, "/envoy", None, limit=LIMIT)
    ]
    direct, relayed = ({**manager, "common_http_protocol_options": None} for manager in managers)
    assert direct == relayed
    options, once = (manager["common_http_protocol_options"] for manager in managers)
    assert once == {**options, "max_requests_per_connection": 1}


def test_the_bootstrap_opens_the_admin_interface_only_to_its_owner() -> None:
    bootstrap = envoy_listener.bootstrap("/envoy", "/envoy/admin/socket", None)
    assert bootstrap["admin"]["address"] == {"pipe": {"path": "/envoy/admin/socket", "mode": 0o600}}
    assert bootstrap["dynamic_resources"]["cds_config"]["path_config_source"] == {"path": "/envoy/cds.json"}


def test_a_discovery_response_names_its_version() -> None:
    assert envoy_config.discovery("7", []) == {"version_info": "7", "resources": []}


def test_grpc_is_routed_by_two_headers_to_the_servers_that_support_it() -> None:
    both = Part("v2", "bbbb", 20, (Endpoint("127.0.0.1", 7003, grpc_port=7004),))
    unary, grpc, http, _rest = route_list(table(OLD, both))
    headers = {each["name"]: each["string_match"]["exact"] for each in grpc["match"]["headers"]}
    assert (grpc["match"]["prefix"], headers) == (
        "/inference.GRPCInferenceService/",
        {"seldon": "iris", "namespace": "default"},
    )
    assert unary["match"]["path"] == "/inference.GRPCInferenceService/ModelInfer"
    assert (unary["match"]["headers"], unary["route"]) == (grpc["match"]["headers"], grpc["route"])
    assert unary["typed_per_filter_config"]["buffer"]["buffer"] == {"max_request_bytes": LIMIT + 5}
    assert "typed_per_filter_config" not in grpc, "streams have no end to wait for"
    assert [c["name"] for c in grpc["route"]["weighted_clusters"]["clusters"]] == ["default/iris/v2/bbbb/grpc"]
    assert len(http["route"]["weighted_clusters"]["clusters"]) == 2
    by_cluster = {cluster["name"]: endpoints(cluster) for cluster in envoy_config.clusters(table(both))}
    assert by_cluster == {"default/iris/v2/bbbb": [7003], "default/iris/v2/bbbb/grpc": [7004]}


def test_grpc_is_not_routed_while_only_versions_without_weight_support_it() -> None:
    idle = Part("v2", "bbbb", 0, (Endpoint("127.0.0.1", 7003, grpc_port=7004),))
    http, _rest = route_list(table(replace(OLD, weight=100), idle))
    assert http["match"]["prefix"] == "/seldon/default/iris/"


def test_every_request_gets_the_key_of_its_serving_instead_of_the_clients() -> None:
    keys, of = AccessKeys(b"secret"), table(OLD, NEW) | table(OLD, serving=OTHER)
    [configuration] = envoy_config.routes(of, limit=LIMIT, keys=keys)
    [host] = configuration["virtual_hosts"]
    served = [each for each in host["routes"] if "route" in each]
    added = {each["match"]["prefix"]: each["request_headers_to_add"] for each in served}
    assert added == {
        f"/seldon/default/{serving.name}/": [
            {
                "header": {"key": "x-klever-access-key", "value": keys(serving)},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ]
        for serving in (IRIS, OTHER)
    }
