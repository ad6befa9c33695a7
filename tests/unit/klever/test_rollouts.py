from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klever.errors import InputError
from klever.rollouts import base_of, check_variants, revision_of, variant_name, with_model, with_scale, with_traffic
from kleverproto.references import ModelRef
from kleverproto.rollouts import Revision
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase, ServingStatus
from kleverproto.traffic import HeaderMatch, HeaderRule, Traffic
from kleverproto.variants import Autoscaling, Variant


def ref(text: str) -> ModelRef:
    return ModelRef.parse(text)


def served(**weights: int) -> ServingSpec:
    variants = tuple(Variant(name=name, model=f"library/m:{name}", digest=f"sha256:{'a' * 64}") for name in weights)
    return ServingSpec(variants=variants, traffic=Traffic(weights=dict(weights)))


def weights_of(spec: ServingSpec) -> dict[str, int]:
    return spec.traffic.weights


def test_a_first_version_takes_all_the_traffic() -> None:
    spec = with_model(None, ref("library/m:v1"), None)
    assert [(v.name, v.model, v.digest) for v in spec.variants] == [("v1", "library/m:v1", None)]
    assert weights_of(spec) == {"v1": 100}


def test_without_traffic_a_version_replaces_the_others() -> None:
    assert weights_of(with_model(served(v1=80, v2=20), ref("library/m:v3"), None)) == {"v3": 100}


def test_a_share_is_taken_from_the_others_in_proportion() -> None:
    assert weights_of(with_model(served(v1=75, v2=25), ref("library/m:v3"), 20)) == {"v1": 60, "v2": 20, "v3": 20}


def test_the_others_keep_their_digests() -> None:
    spec = with_model(served(v1=100), ref("library/m:v2"), 20)
    assert [v.digest is None for v in spec.variants] == [False, True]


def test_the_share_of_a_version_that_is_served_already_is_changed() -> None:
    assert weights_of(with_model(served(v1=80, v2=20), ref("library/m:v2"), 50)) == {"v1": 50, "v2": 50}


def test_the_same_tag_of_another_model_stands_beside_the_first() -> None:
    spec = with_model(served(v1=100), ref("library/other:v1"), 20)
    assert [(v.name, v.model) for v in spec.variants] == [("v1", "library/m:v1"), ("v1-2", "library/other:v1")]


@pytest.mark.parametrize("present", [None, served(v1=100)], ids=["nothing", "only itself"])
def test_a_share_needs_another_version_for_the_rest(present: ServingSpec | None) -> None:
    with pytest.raises(InputError, match="the other 80 %"):
        with_model(present, ref("library/m:v1"), 20)


@pytest.mark.parametrize(("tag", "name"), [("v1", "v1"), ("v1.0_B", "v1-0-b"), ("___", "model"), ("9" * 99, "9" * 63)])
def test_a_variant_is_named_after_its_tag(tag: str, name: str) -> None:
    assert variant_name(ref(f"library/m:{tag}")) == name


@given(st.lists(st.integers(0, 100), min_size=1, max_size=6), st.integers(1, 99))
def test_weights_always_sum_to_a_hundred(parts: list[int], traffic: int) -> None:
    total = sum(parts[:-1])
    if total > 100:
        return
    present = served(**{f"v{i}": weight for i, weight in enumerate([*parts[:-1], 100 - total])})
    spec = with_model(present, ref("library/m:new"), traffic)
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


def test_a_new_version_takes_over_the_settings_of_the_one_before_and_of_the_serving() -> None:
    spec = with_model(rich(), ref("library/m:v2"), None)
    (variant,) = spec.variants
    assert (variant.name, variant.model, variant.replicas, variant.env) == ("v2", "library/m:v2", 3, {"A": "1"})
    assert (spec.timeouts, spec.strategy, spec.traffic.sticky) == (
        rich().timeouts,
        rich().strategy,
        rich().traffic.sticky,
    )


def test_another_model_begins_with_settings_of_its_own() -> None:
    (variant,) = with_model(rich(), ref("library/other:v1"), None).variants
    assert (variant.replicas, variant.env) == (1, {})


def test_a_variant_that_a_rule_names_does_not_go_in_silence() -> None:
    rules = (HeaderRule(headers={"x": HeaderMatch(exact="1")}, variant="v1"),)
    spec = with_traffic(rich(), {}, rules=rules)
    with pytest.raises(InputError, match=r"traffic\.rules\.0.variant: there is no variant v1"):
        with_model(spec, ref("library/m:v2"), None)


def test_weights_that_do_not_fit_are_explained() -> None:
    with pytest.raises(InputError, match="the weights sum to 90, not 100"):
        with_traffic(served(v1=50, v2=50), {"v1": 90})


def test_scaling_changes_one_variant_or_all() -> None:
    bounds = Autoscaling(min_replicas=0, max_replicas=2)
    assert [v.replicas for v in with_scale(served(v1=50, v2=50), "v2", 4, None).variants] == [1, 4]
    assert [v.autoscaling for v in with_scale(served(v1=50, v2=50), None, None, bounds).variants] == [bounds, bounds]


def test_a_variant_that_is_not_there_is_refused_with_those_that_are() -> None:
    check_variants(served(v1=50, v2=50), "mymodel", ["v1"])
    with pytest.raises(InputError, match=r"there is no variant v9; mymodel has v1, v2$"):
        check_variants(served(v1=50, v2=50), "mymodel", ["v1", "v9"])


def document(phase: ServingPhase = ServingPhase.READY) -> ServingDocument:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    specs = [served(v1=100), served(v2=100), served(v1=100)]
    revisions = tuple(Revision(generation=n, spec=each, ready_at=now) for n, each in enumerate(specs, 1))
    status = ServingStatus(phase=phase, applied=specs[-1], revisions=revisions)
    return ServingDocument(
        namespace="default", name="m", spec=served(v9=100), status=status, created_at=now, updated_at=now
    )


def settled() -> ServingDocument:
    """What is wanted is what serves."""
    return document().model_copy(update={"spec": served(v1=100)})


@pytest.mark.parametrize("phase", [ServingPhase.PENDING, ServingPhase.PROGRESSING, ServingPhase.FAILED])
def test_a_rollback_of_what_does_not_serve_yet_restores_what_serves(phase: ServingPhase) -> None:
    assert revision_of(document(phase), None) == served(v1=100)


def test_an_earlier_revision_is_the_last_that_is_another_than_what_serves() -> None:
    assert revision_of(settled(), None) == served(v2=100)
    assert revision_of(document(), 1) == served(v1=100)
    with pytest.raises(InputError, match="has not kept a revision 7; those it has: 1, 2, 3"):
        revision_of(document(), 7)


def test_a_change_after_a_failure_begins_with_what_serves() -> None:
    assert base_of(document()) == served(v9=100)
    assert base_of(document(ServingPhase.FAILED)) == served(v1=100)
