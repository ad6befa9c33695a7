"""The rules by which a short change becomes a spec."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klever_gateway.domain.edits import base_spec, earlier_revision, with_scale, with_traffic
from klever_gateway.domain.version_edits import with_version
from klever_gateway.errors import InvalidRequestError
from kleverproto.following import OnPush, ServingPolicy
from kleverproto.rollouts import Revision
from kleverproto.serving_changes import ChangeTraffic, DeployVersion, ScaleServing
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase, ServingStatus
from kleverproto.strategies import Recreate
from kleverproto.traffic import HeaderMatch, HeaderRule, Mirror, Sticky, Traffic
from kleverproto.variants import Autoscaling, Custom, Variant

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def served(**weights: int) -> ServingSpec:
    variants = tuple(Variant(name=name, model=f"library/m:{name}", digest=f"sha256:{'a' * 64}") for name in weights)
    return ServingSpec(variants=variants, traffic=Traffic(weights=dict(weights)))


def serving(spec: ServingSpec, **status: Any) -> ServingDocument:
    return ServingDocument(
        namespace="default", name="mymodel", spec=spec, status=ServingStatus(**status), created_at=NOW, updated_at=NOW
    )


def deployed(present: ServingSpec | None, model: str, traffic: int | None = None, **settings: Any) -> ServingSpec:
    change = DeployVersion(model=model, traffic=traffic, **settings)
    return with_version(serving(present) if present else None, change)


def messages(error: InvalidRequestError) -> str:
    return "; ".join(f"{each.field}: {each.message}" for each in error.errors)


def weights_of(spec: ServingSpec) -> dict[str, int]:
    return spec.traffic.weights


def test_a_first_version_gets_all_traffic() -> None:
    spec = deployed(None, "library/m:v1")
    assert [(v.name, v.model, v.digest) for v in spec.variants] == [("v1", "library/m:v1", None)]
    assert weights_of(spec) == {"v1": 100}


def test_a_version_without_a_share_replaces_the_others() -> None:
    assert weights_of(deployed(served(v1=80, v2=20), "library/m:v3")) == {"v3": 100}


def test_a_share_is_taken_from_the_others_proportionally() -> None:
    assert weights_of(deployed(served(v1=75, v2=25), "library/m:v3", 20)) == {"v1": 60, "v2": 20, "v3": 20}


def test_the_others_keep_their_digests() -> None:
    spec = deployed(served(v1=100), "library/m:v2", 20)
    assert [v.digest is None for v in spec.variants] == [False, True]


def test_the_share_of_a_served_version_can_be_changed() -> None:
    assert weights_of(deployed(served(v1=80, v2=20), "library/m:v2", 50)) == {"v1": 50, "v2": 50}


def test_the_same_tag_of_another_model_is_a_second_variant() -> None:
    spec = deployed(served(v1=100), "library/other:v1", 20)
    assert [(v.name, v.model) for v in spec.variants] == [("v1", "library/m:v1"), ("v1-2", "library/other:v1")]


@pytest.mark.parametrize("present", [None, served(v1=100)], ids=["nothing", "only itself"])
def test_a_share_requires_another_version_for_the_rest(present: ServingSpec | None) -> None:
    with pytest.raises(InvalidRequestError, match="the remaining 80 %"):
        deployed(present, "library/m:v1", 20)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=6), st.integers(1, 99))
def test_weights_always_sum_to_a_hundred(parts: list[int], traffic: int) -> None:
    total = sum(parts[:-1])
    if total > 100:
        return
    present = served(**{f"v{i}": weight for i, weight in enumerate([*parts[:-1], 100 - total])})
    spec = deployed(present, "library/m:new", traffic)
    assert sum(weights_of(spec).values()) == 100
    assert weights_of(spec)["new"] == traffic


def rich() -> ServingSpec:
    return ServingSpec.model_validate(
        {
            "variants": [{"name": "v1", "model": "library/m:v1", "replicas": 3, "env": {"A": "1"}}],
            "traffic": {"weights": {"v1": 100}, "sticky": {"header": "x-user"}},
            "timeouts": {"requestSeconds": 7},
            "strategy": {"type": "canary"},
        }
    )


def test_a_new_version_inherits_the_settings_of_the_previous_one_and_the_serving() -> None:
    spec = deployed(rich(), "library/m:v2")
    (variant,) = spec.variants
    assert (variant.name, variant.model, variant.replicas, variant.env) == ("v2", "library/m:v2", 3, {"A": "1"})
    assert (spec.timeouts, spec.strategy, spec.traffic.sticky) == (
        rich().timeouts,
        rich().strategy,
        rich().traffic.sticky,
    )


def test_another_model_starts_with_its_own_settings() -> None:
    (variant,) = deployed(rich(), "library/other:v1").variants
    assert (variant.replicas, variant.env) == (1, {})


def test_a_variant_that_a_rule_names_is_not_removed() -> None:
    rules = (HeaderRule(headers={"x": HeaderMatch(exact="1")}, variant="v1"),)
    spec = with_traffic(serving(rich()), ChangeTraffic(rules=rules))
    with pytest.raises(InvalidRequestError) as refused:
        deployed(spec, "library/m:v2")
    assert messages(refused.value) == (
        "traffic.rules.0.variant: there is no variant v1; there are v2: change the traffic first"
    )


def test_a_runtime_beside_a_custom_server_is_refused() -> None:
    present = ServingSpec(variants=(Variant(name="v1", model="library/m:v1", custom=Custom(command=("serve",))),))
    with pytest.raises(InvalidRequestError) as refused:
        deployed(present, "library/m:v2", runtime="triton")
    assert "give a runtime or a custom server, not both" in messages(refused.value)


def test_strategy_and_policy_are_changed_with_the_version_or_kept() -> None:
    spec = deployed(rich(), "library/m:v2", policy=ServingPolicy(on_push=OnPush.DEPLOY))
    assert (spec.strategy, spec.policy.on_push) == (rich().strategy, OnPush.DEPLOY)
    assert deployed(rich(), "library/m:v2", strategy=Recreate()).strategy == Recreate()


def test_weights_that_do_not_fit_are_explained() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        with_traffic(serving(served(v1=50, v2=50)), ChangeTraffic(weights={"v1": 90}))
    assert messages(refused.value) == "traffic.weights: the weights sum to 90, not 100"


def test_omitted_traffic_is_kept_and_null_removes_it() -> None:
    mirrored = served(v1=100, v2=0).replace(traffic=Traffic(weights={"v1": 100, "v2": 0}, mirror=Mirror(variant="v2")))
    present = serving(mirrored)
    changed = with_traffic(present, ChangeTraffic(sticky=Sticky(header="x-user")))
    assert (changed.traffic.mirror, changed.traffic.sticky) == (Mirror(variant="v2"), Sticky(header="x-user"))
    removed = with_traffic(present, ChangeTraffic.model_validate({"mirror": None}))
    assert (removed.traffic.mirror, removed.traffic.weights) == (None, {"v1": 100, "v2": 0})


def test_scaling_changes_one_variant_or_all() -> None:
    present, bounds = serving(served(v1=50, v2=50)), Autoscaling(min_replicas=0, max_replicas=2)
    one = with_scale(present, ScaleServing(variant="v2", replicas=4))
    assert [variant.replicas for variant in one.variants] == [1, 4]
    every = with_scale(present, ScaleServing(autoscaling=bounds))
    assert [variant.autoscaling for variant in every.variants] == [bounds, bounds]
    fixed = with_scale(serving(every), ScaleServing(replicas=2))
    assert [(variant.replicas, variant.autoscaling) for variant in fixed.variants] == [(2, None), (2, None)]


@pytest.mark.parametrize("change", [{}, {"replicas": 1, "autoscaling": {"maxReplicas": 2}}])
def test_a_scale_is_a_number_or_bounds(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give one of replicas and autoscaling"):
        ScaleServing.model_validate(change)


def test_an_unknown_variant_is_refused_with_the_existing_ones() -> None:
    present = serving(served(v1=50, v2=50))
    with pytest.raises(InvalidRequestError) as weighed:
        with_traffic(present, ChangeTraffic(weights={"v1": 50, "v9": 50}))
    with pytest.raises(InvalidRequestError) as scaled:
        with_scale(present, ScaleServing(variant="v9", replicas=2))
    assert messages(weighed.value) == "weights: there is no variant v9; mymodel has v1, v2"
    assert messages(scaled.value) == "variant: there is no variant v9; mymodel has v1, v2"


def document(phase: ServingPhase = ServingPhase.READY) -> ServingDocument:
    specs = [served(v1=100), served(v2=100), served(v1=100)]
    revisions = tuple(Revision(generation=n, spec=each, ready_at=NOW) for n, each in enumerate(specs, 1))
    status = ServingStatus(phase=phase, applied=specs[-1], revisions=revisions)
    return ServingDocument(
        namespace="default", name="m", spec=served(v9=100), status=status, created_at=NOW, updated_at=NOW
    )


def settled() -> ServingDocument:
    """A serving whose wanted spec is the served one."""
    return document().replace(spec=served(v1=100))


@pytest.mark.parametrize("phase", [ServingPhase.PENDING, ServingPhase.PROGRESSING, ServingPhase.FAILED])
def test_a_rollback_of_an_unready_version_restores_the_served_one(phase: ServingPhase) -> None:
    assert earlier_revision(document(phase), None) == served(v1=100)


def test_an_earlier_revision_is_the_last_one_that_differs_from_the_served_one() -> None:
    assert earlier_revision(settled(), None) == served(v2=100)
    assert earlier_revision(document(), 1) == served(v1=100)
    with pytest.raises(InvalidRequestError, match="has kept no revision 7; its revisions are: 1, 2, 3"):
        earlier_revision(document(), 7)


def test_a_change_after_a_failure_starts_from_the_served_spec() -> None:
    assert base_spec(document()) == served(v9=100)
    assert base_spec(document(ServingPhase.FAILED)) == served(v1=100)
