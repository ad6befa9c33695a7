"""The versions that should run for a serving, and those that may be removed."""

from dataclasses import replace
from typing import Any

import pytest

from klever_deployer.domain import versions
from klever_deployer.domain.versions import VersionState
from kleverproto.servings import VariantStatus
from kleverproto.variants import Autoscaling, Resources
from kleverroutes.versions import Deployment, ServingName, VersionKey, deployments
from support.deployer import IRIS, deployment, digest, key, spec, variant, version_spec


def ready(version: VersionKey, replicas: int = 1) -> VersionState:
    return VersionState(version, replicas, replicas, runtime="kleverserve")


def counted(*states: VersionState, wanted: Deployment) -> VariantStatus:
    (status,) = versions.statuses(IRIS, [wanted], states, weights={key("v1"): 80})
    return status


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
def test_a_change_of_how_a_variant_runs_creates_new_replicas(changes: dict[str, Any]) -> None:
    other = variant("v1").model_copy(update=changes)
    assert Deployment(other, 1).revision != deployment("v1").revision


def test_replicas_and_autoscaling_do_not_create_new_replicas() -> None:
    scaled = variant("v1", replicas=3, autoscaling=Autoscaling(max_replicas=5))
    assert Deployment(scaled, 3).revision == deployment("v1").revision


def test_a_version_answers_with_its_tag() -> None:
    assert version_spec("v1").tag == "v1"


def test_autoscaling_keeps_the_last_wanted_number_within_its_bounds() -> None:
    scaled = variant("v1", autoscaling=Autoscaling(min_replicas=2, max_replicas=5))
    of = spec("v1").model_copy(update={"variants": (scaled,)})
    known = VariantStatus(name="v1", model="m", digest=digest("v1"), revision=Deployment(scaled, 1).revision)
    for recorded, wanted in [(0, 2), (4, 4), (9, 5)]:
        status = known.model_copy(update={"replicas": recorded})
        assert [each.replicas for each in deployments(of, [status])] == [wanted]
    assert [each.replicas for each in deployments(of, [])] == [2]


def test_the_spec_gives_the_number_without_autoscaling() -> None:
    of = spec("v1", replicas=3).model_copy(update={"variants": (variant("v1", replicas=3),)})
    known = VariantStatus(name="v1", model="m", digest=digest("v1"), revision=key("v1").revision, replicas=7)
    assert [each.replicas for each in deployments(of, [known])] == [3]


@pytest.mark.parametrize(
    "stranger",
    [key("v2"), replace(key("v1"), serving=ServingName("default", "other")), replace(key("v1"), revision="old")],
    ids=["variant", "serving", "revision"],
)
def test_a_version_of_another_serving_is_ignored(stranger: VersionKey) -> None:
    assert counted(ready(stranger), wanted=deployment("v1")).ready_replicas == 0
    assert not versions.are_ready(IRIS, [deployment("v1")], [ready(stranger)])
    assert versions.superfluous(IRIS, [deployment("v1")], [ready(stranger)]) == [stranger] * (stranger.serving == IRIS)


def test_ready_replicas_restarts_and_runtime_are_recorded() -> None:
    state = VersionState(key("v1"), desired=3, ready=2, restarts=2, runtime="kleverserve")
    status = counted(state, wanted=deployment("v1", replicas=3))
    assert (status.ready_replicas, status.replicas, status.restarts, status.weight) == (2, 3, 2, 80)
    assert (status.runtime, status.digest) == ("kleverserve", digest("v1"))


def test_a_version_is_ready_with_as_many_replicas_as_are_wanted() -> None:
    states = [ready(key("v1"), 2)]
    assert versions.are_ready(IRIS, [deployment("v1", replicas=2)], states)
    assert not versions.are_ready(IRIS, [deployment("v1", replicas=3)], states)


def test_versions_that_are_not_wanted_are_superfluous() -> None:
    states = [ready(key("v1"), 2), ready(key("v2"))]
    assert versions.superfluous(IRIS, [deployment("v1")], states) == [key("v2")]
    assert versions.superfluous(IRIS, [], states) == [key("v1"), key("v2")]


def test_a_start_problem_is_reported_for_needed_versions_only() -> None:
    states = [VersionState(key("v1"), problem="no such file"), VersionState(key("v2"), problem="old story")]
    problem = versions.start_problem(IRIS, [deployment("v1")], states)
    assert problem == "the model server of variant v1 does not start: no such file"
    assert versions.start_problem(IRIS, [deployment("v3")], states) is None


def test_a_variant_reports_that_its_model_is_not_verified() -> None:
    state = replace(ready(key("v1")), unverified="the check crashed")
    assert counted(state, wanted=deployment("v1")).unverified == "the check crashed"
    assert counted(ready(key("v1")), wanted=deployment("v1")).unverified == ""


def test_a_conversion_stays_recorded_while_no_replica_of_the_version_runs() -> None:
    made = replace(deployment("v1"), made="library/iris:v1-onnx@sha256:0")
    recorded = counted(replace(ready(key("v1")), made=made.made), wanted=deployment("v1"))
    (resumed,) = deployments(spec("v1").replace(variants=(variant("v1"),)), [recorded])
    assert resumed == made
    assert counted(wanted=resumed).made == made.made
