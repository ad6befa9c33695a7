import pytest
from hypothesis import given
from hypothesis import strategies as st

from klever.errors import InputError
from klever.rollouts import variant_name, with_model
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant


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
