"""What should run for a serving, what requests go where, and what may go."""

from dataclasses import replace
from pathlib import Path

import pytest

from klever_deployer import domain
from klever_deployer.domain import Endpoint, LocalModel, ReplicaKey, ReplicaState, ServingName, VariantRoute
from support.deployer import IRIS, digest, key, spec, status

HERE, THERE = Endpoint("127.0.0.1", 7001), Endpoint("127.0.0.1", 7002)


def ready(replica: ReplicaKey, endpoint: Endpoint = HERE) -> ReplicaState:
    return ReplicaState(replica, endpoint, ready=True)


def test_wanted_variants_take_digest_weight_and_replicas() -> None:
    wanted = domain.wanted_variants(
        spec("v1", "v2", weights=(80, 20), replicas=2), {"v1": digest("v1"), "v2": digest("v2")}
    )
    assert wanted == (status("v1", replicas=2, weight=80), status("v2", replicas=2, weight=20))


def test_a_variant_that_traffic_does_not_name_has_no_weight() -> None:
    (first, second) = domain.wanted_variants(
        spec("v1", "v2", weights=(100, 0)).model_copy(update={"traffic": spec("v1").traffic}),
        {"v1": digest("v1"), "v2": digest("v2")},
    )
    assert (first.weight, second.weight) == (100, 0)


def test_each_replica_of_each_variant_has_a_key_of_its_own() -> None:
    keys = domain.replica_keys(IRIS, [status("v1", replicas=2), status("v2")])
    assert keys == [key("v1", 0), key("v1", 1), key("v2", 0)]
    assert len({each.id for each in keys}) == 3


def test_the_same_bytes_under_another_tag_are_other_replicas() -> None:
    one = status("v1")
    other_tag = one.model_copy(update={"model": "library/iris:v1-again"})
    other_bytes = one.model_copy(update={"digest": digest("v2")})
    assert len({domain.revision(variant) for variant in (one, other_tag, other_bytes)}) == 3


def test_weight_and_replicas_do_not_make_other_replicas() -> None:
    assert domain.revision(status("v1", weight=20)) == domain.revision(status("v1", replicas=3))


def test_a_replica_runs_the_model_of_its_digest_and_answers_with_its_tag() -> None:
    model = LocalModel(Path("/models/1"), "ONNX")
    (replica,) = domain.replica_specs(IRIS, [status("v1")], {digest("v1"): model})
    assert (replica.key, replica.model, replica.version) == (key("v1"), model, "v1")


def test_requests_go_to_replicas_that_are_ready() -> None:
    states = [
        ready(key("v1", 1), THERE),
        ReplicaState(key("v1", 2)),
        ready(key("v1", 0), HERE),
        ReplicaState(key("v2"), HERE),
    ]
    route = domain.route(IRIS, [status("v1", replicas=3, weight=80), status("v2", weight=20)], states)
    assert route.variants == (
        VariantRoute("v1", key("v1").revision, 80, (HERE, THERE)),
        VariantRoute("v2", key("v2").revision, 20, ()),
    )


@pytest.mark.parametrize(
    "stranger",
    [key("v2"), replace(key("v1"), serving=ServingName("default", "other")), replace(key("v1"), revision="old")],
    ids=["variant", "serving", "revision"],
)
def test_no_request_goes_to_a_replica_of_another(stranger: ReplicaKey) -> None:
    (variant,) = domain.route(IRIS, [status("v1")], [ready(stranger)]).variants
    assert variant.endpoints == ()
    (counted,) = domain.counted(IRIS, [status("v1")], [ready(stranger)])
    assert counted.ready_replicas == 0
    assert domain.superfluous(IRIS, [status("v1")], [ready(stranger)]) == [stranger] * (stranger.serving == IRIS)


def test_ready_replicas_are_counted() -> None:
    states = [ready(key("v1", 0)), ReplicaState(key("v1", 1)), ready(key("v1", 2))]
    (counted,) = domain.counted(IRIS, [status("v1", replicas=3)], states)
    assert (counted.ready_replicas, counted.replicas) == (2, 3)


def test_replicas_beyond_the_wanted_number_and_of_variants_gone_are_superfluous() -> None:
    states = [ready(replica) for replica in (key("v1", 0), key("v1", 1), key("v2"))]
    assert domain.superfluous(IRIS, [status("v1")], states) == [key("v1", 1), key("v2")]
    assert domain.superfluous(IRIS, [], states) == [key("v1", 0), key("v1", 1), key("v2")]


def test_the_last_words_are_those_of_a_replica_that_is_needed() -> None:
    states = [ReplicaState(key("v1"), failure="no such file"), ReplicaState(key("v2"), failure="old story")]
    words = domain.last_words(IRIS, [status("v1")], states)
    assert words == "the model server of variant v1 does not start; its log ends with: no such file"
    assert domain.last_words(IRIS, [status("v3")], states) is None


def test_a_routing_table_survives_json() -> None:
    table = {IRIS: domain.route(IRIS, [status("v1")], [ready(key("v1"))])}
    assert domain.load_table(domain.dump_table(table)) == table


def test_the_url_is_that_of_seldon_core() -> None:
    assert domain.infer_url("http://host", IRIS) == "http://host/seldon/default/iris/v2/models/iris/infer"
