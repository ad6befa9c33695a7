"""The messages for an invalid document."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from kleverproto.accounts import Account, Accounts
from kleverproto.catalogue import EVENT_TYPES
from kleverproto.jobs import JobDocument
from kleverproto.mistakes import CHOICE, PATTERNS, describe_mistakes
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectPolicy
from kleverproto.serving_specs import ServingManifest, ServingSpec

V1 = {"name": "v1", "model": "library/mymodel:v1"}


def wrong(model: type[BaseModel], value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    return describe_mistakes(caught.value, model)


def spec(**changes: Any) -> dict[str, Any]:
    return {"variants": [V1], **changes}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            spec(variants=[{"name": "v1", "modle": "x/y:v1"}]),
            "variants.0: unknown key modle, did you mean model?",
        ),
        (spec(variants=[{"name": "v1"}]), "variants.0.model: is missing"),
        (spec(variants=[V1 | {"name": "My Model"}]), "variants.0.name: lower-case letters, digits and hyphens"),
        (spec(variants=[V1 | {"replicas": "many"}]), "variants.0.replicas: must be a whole number"),
        (spec(variants=[V1 | {"env": {"1A": "x"}}]), "variants.0.env.1A: letters, digits and underscores"),
        (spec(variants=3), "variants: must be a list"),
        (spec(variants=[]), "variants: must have 1 entries or more"),
        (spec(policy={"onPush": "deplyo"}), "policy.onPush: must be one of keep, deploy, did you mean deploy?"),
        (spec(timeouts={"requestSeconds": 0}), "timeouts.requestSeconds: must be 0.001 or more"),
        (spec(timeouts={"requestSecond": 1}), "requestSecond, did you mean requestSeconds?"),
        (spec(strategy={"type": "canary", "step": [5]}), "strategy.canary: unknown key step, did you mean steps?"),
        (spec(strategy={"type": "canari"}), "strategy: must be one of 'rolling'"),
        (spec(traffic={"weights": {"v9": 100}}), "traffic.weights.v9: there is no variant v9; there are v1"),
        (spec(traffic={"rules": [{"headers": {"x": {"exakt": "a"}}, "variant": "v1"}]}), "did you mean exact?"),
        ({"nonsense": 1}, "unknown key nonsense; the keys here are policy, retries, strategy, timeouts"),
    ],
)
def test_a_mistake_is_a_sentence_with_its_field(value: Any, says: str) -> None:
    message = wrong(ServingSpec, value)
    assert says in message
    for word in ("pattern", "pydantic", "Input should", "Extra inputs", "Field required", "["):
        assert word not in message


def test_the_whole_manifest_is_checked_the_same_way() -> None:
    message = wrong(ServingManifest, {"kind": "Servng", "metadata": {"name": "x", "namespce": "y"}, "spec": spec()})
    assert message.split("; ") == [
        "kind: must be Serving, did you mean Serving?",
        "metadata: unknown key namespce, did you mean namespace?",
    ]


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for each in schema.values():
            yield from patterns(each)
        if isinstance(keys := schema.get("patternProperties"), dict):
            yield from keys
    elif isinstance(schema, list):
        for each in schema:
            yield from patterns(each)


@pytest.mark.parametrize(
    "model",
    [
        ServingManifest,
        Account,
        Accounts,
        ProjectPolicy,
        ModelDocument,
        JobDocument,
        *(each.data for each in EVENT_TYPES),
    ],
    ids=lambda model: model.__name__,
)
def test_every_pattern_of_the_contract_has_a_description(model: type[BaseModel]) -> None:
    assert [
        each for each in patterns(model.model_json_schema()) if each not in PATTERNS and not CHOICE.match(each)
    ] == []
