"""What should run for a serving, and what may go."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from klever_deployer.domain import replicas
from klever_deployer.domain.replicas import (
    Deployment,
    Endpoint,
    LocalModel,
    Prepared,
    ReplicaKey,
    ReplicaState,
    ServingName,
)
from kleverproto.servings import VariantStatus
from kleverproto.variants import Autoscaling, Resources
from support.deployer import IRIS, deployment, digest, key, spec, variant

HERE = Endpoint("127.0.0.1", 7001)


def ready(replica: ReplicaKey) -> ReplicaState:
    return ReplicaState(replica, HERE, ready=True, runtime="kleverserve")


def counted(*states: ReplicaState, wanted: Deployment) -> VariantStatus:
    (found,) = replicas.statuses(IRIS, [wanted], states, weights={("v1", key("v1").revision): 80})
    return found


def test_each_replica_of_each_variant_has_a_key_of_its_own() -> None:
    keys = replicas.replica_keys(IRIS, [deployment("v1", replicas=2), deployment("v2")])
    assert keys == [key("v1", 0), key("v1", 1), key("v2", 0)]
    assert len({each.id for each in keys}) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "library/iris:v1-again"},
        {"digest": digest("v2")},
        {"env": {"A": "b"}},
        {"resources": Resources(memory="1Gi")},
        {"runtime": "triton"},
    ],
    ids=lambda changes: str(*changes),
)
def test_what_changes_how_a_variant_runs_makes_other_replicas(changes: dict[str, Any]) -> None:
    other = variant("v1").model_copy(update=changes)
    assert Deployment(other, 1).revision != deployment("v1").revision


def test_replicas_and_autoscaling_do_not_make_other_replicas() -> None:
    scaled = variant("v1", replicas=3, autoscaling=Autoscaling(max_replicas=5))
    assert Deployment(scaled, 3).revision == deployment("v1").revision


def test_a_replica_runs_the_model_of_its_digest_and_answers_with_its_tag() -> None:
    prepared = Prepared(LocalModel(Path("/models/1"), "ONNX"), "kleverserve")
    (replica,) = replicas.replica_specs(IRIS, [deployment("v1")], {deployment("v1").version_key: prepared})
    assert (replica.key, replica.prepared, replica.version) == (key("v1"), prepared, "v1")


def test_autoscaling_keeps_the_number_that_was_wanted_last_within_its_bounds() -> None:
    scaled = variant("v1", autoscaling=Autoscaling(min_replicas=2, max_replicas=5))
    of = spec("v1").model_copy(update={"variants": (scaled,)})
    known = VariantStatus(name="v1", model="m", digest=digest("v1"), revision=Deployment(scaled, 1).revision)
    for recorded, wanted in [(0, 2), (4, 4), (9, 5)]:
        status = known.model_copy(update={"replicas": recorded})
        assert [each.replicas for each in replicas.deployments(of, [status])] == [wanted]
    assert [each.replicas for each in replicas.deployments(of, [])] == [2]


def test_without_autoscaling_the_spec_says_how_many() -> None:
    of = spec("v1", replicas=3).model_copy(update={"variants": (variant("v1", replicas=3),)})
    known = VariantStatus(name="v1", model="m", digest=digest("v1"), revision=key("v1").revision, replicas=7)
    assert [each.replicas for each in replicas.deployments(of, [known])] == [3]


@pytest.mark.parametrize(
    "stranger",
    [key("v2"), replace(key("v1"), serving=ServingName("default", "other")), replace(key("v1"), revision="old")],
    ids=["variant", "serving", "revision"],
)
def test_a_replica_of_another_counts_for_nothing(stranger: ReplicaKey) -> None:
    assert counted(ready(stranger), wanted=deployment("v1")).ready_replicas == 0
    assert not replicas.are_ready(IRIS, [deployment("v1")], [ready(stranger)])
    assert replicas.superfluous(IRIS, [deployment("v1")], [ready(stranger)]) == [stranger] * (stranger.serving == IRIS)


def test_ready_replicas_restarts_and_runtime_are_recorded() -> None:
    states = [ready(key("v1", 0)), ReplicaState(key("v1", 1), restarts=2), ready(key("v1", 2))]
    found = counted(*states, wanted=deployment("v1", replicas=3))
    assert (found.ready_replicas, found.replicas, found.restarts, found.weight) == (2, 3, 2, 80)
    assert (found.runtime, found.digest) == ("kleverserve", digest("v1"))


def test_replicas_beyond_the_wanted_number_and_of_variants_gone_are_superfluous() -> None:
    states = [ready(replica) for replica in (key("v1", 0), key("v1", 1), key("v2"))]
    assert replicas.superfluous(IRIS, [deployment("v1")], states) == [key("v1", 1), key("v2")]
    assert replicas.superfluous(IRIS, [], states) == [key("v1", 0), key("v1", 1), key("v2")]


def test_the_last_words_are_those_of_a_replica_that_is_needed() -> None:
    states = [ReplicaState(key("v1"), failure="no such file"), ReplicaState(key("v2"), failure="old story")]
    words = replicas.last_words(IRIS, [deployment("v1")], states)
    assert words == "the model server of variant v1 does not start: no such file"
    assert replicas.last_words(IRIS, [deployment("v3")], states) is None


def test_a_variant_says_that_what_it_runs_is_not_verified() -> None:
    state = replace(ready(key("v1")), unverified="the check crashed")
    assert counted(state, wanted=deployment("v1")).unverified == "the check crashed"
    assert counted(ready(key("v1")), wanted=deployment("v1")).unverified == ""
