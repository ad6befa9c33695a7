"""Valid serving documents, and the specs that are a new generation."""

from typing import Any

import pytest
from pydantic import ValidationError

from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase, ServingStatus, next_generation
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant
from support.golden_events import NOW, SPEC


def document(spec: ServingSpec, phase: ServingPhase) -> ServingDocument:
    return ServingDocument(
        namespace="default",
        name="iris",
        spec=spec,
        status=ServingStatus(phase=phase),
        generation=4,
        created_at=NOW,
        updated_at=NOW,
    )


def test_the_first_spec_is_generation_one() -> None:
    assert next_generation(None, SPEC) == 1


@pytest.mark.parametrize("phase", [ServingPhase.PENDING, ServingPhase.PROGRESSING, ServingPhase.READY])
def test_a_repeated_spec_is_not_a_new_generation(phase: ServingPhase) -> None:
    assert next_generation(document(SPEC, phase), SPEC) == 4


@pytest.mark.parametrize("phase", [ServingPhase.FAILED, ServingPhase.DELETING])
def test_a_repeated_spec_after_a_failure_or_deletion_is_a_new_attempt(phase: ServingPhase) -> None:
    assert next_generation(document(SPEC, phase), SPEC) == 5


def test_another_spec_is_a_new_generation() -> None:
    other = SPEC.model_copy(update={"traffic": Traffic(weights={"v1": 50, "v2": 50})})
    assert next_generation(document(SPEC, ServingPhase.READY), other) == 5


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"variants": [], "traffic": {"weights": {}}}, "at least 1 item"),
        ({"variants": [{"name": "v1", "model": "iris:v1"}], "traffic": {"weights": {"v1": 90}}}, "sum to 90, not 100"),
        (
            {"variants": [{"name": "v1", "model": "iris:v1"}], "traffic": {"weights": {"v2": 100}}},
            "there is no variant v2; there are v1",
        ),
        (
            {"variants": [{"name": "v1", "model": "iris"}], "traffic": {"weights": {"v1": 100}}},
            "project/model:version",
        ),
        (
            {"variants": [{"name": "v1", "model": "iris:v1", "replica": 2}], "traffic": {"weights": {"v1": 100}}},
            "replica",
        ),
        (
            {"variants": [{"name": "V_1", "model": "iris:v1"}], "traffic": {"weights": {"V_1": 100}}},
            "pattern",
        ),
    ],
)
def test_an_invalid_spec_is_refused_with_its_position(spec: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        ServingSpec.model_validate(spec)


def test_two_variants_with_one_name_are_refused() -> None:
    variant = Variant(name="v1", model="library/iris:v1")
    with pytest.raises(ValidationError, match="2 variants have the name v1"):
        ServingSpec(variants=(variant, variant), traffic=Traffic(weights={"v1": 100}))
