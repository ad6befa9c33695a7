"""Edits of a spec that serve a model version, alone or beside others. Pure functions."""

from itertools import count
from typing import Any

from pydantic import ValidationError

from kleverproto.percents import apportion
from kleverproto.references import ModelRef, dns_label
from kleverproto.serving_changes import ALL, DeployVersion
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant

from .edits import base_spec, validated
from .invalid import invalid_field, invalid_request

TRAFFIC_FIRST = ": change the traffic first"


def with_version(present: ServingDocument | None, change: DeployVersion) -> ServingSpec:
    """Return the spec that serves a version. The rest of the spec stays.

    Raises:
        InvalidRequestError: no other variant would get the rest of the traffic; or a rule or the mirror names a variant
            that would be removed.
    """
    base, ref = base_spec(present) if present else None, ModelRef.parse(change.model)
    spec = (
        _alone(base, ref, change) if change.traffic in {None, ALL} else _beside(base, ref, change, change.traffic or 0)
    )
    return spec.replace(strategy=change.strategy or spec.strategy, policy=change.policy or spec.policy)


def _alone(base: ServingSpec | None, ref: ModelRef, change: DeployVersion) -> ServingSpec:
    variant = _variant(base, ref, dns_label(ref.version), change)
    return _with_variants(base, (variant,), {variant.name: ALL})


def _beside(base: ServingSpec | None, ref: ModelRef, change: DeployVersion, percent: int) -> ServingSpec:
    others = [variant for variant in base.variants if variant.model != str(ref)] if base else []
    if base is None or not others:
        rest = f"no other variant would get the remaining {ALL - percent} % of the traffic"
        raise invalid_field("traffic", f"{rest}: deploy a first version without `traffic`")
    variant = _variant(base, ref, _free_name(dns_label(ref.version), {each.name for each in others}), change)
    weights = apportion(ALL - percent, {each.name: base.traffic.weights.get(each.name, 0) for each in others})
    return _with_variants(base, (*others, variant), weights | {variant.name: percent})


def _with_variants(base: ServingSpec | None, variants: tuple[Variant, ...], weights: dict[str, int]) -> ServingSpec:
    if base is None:
        return ServingSpec(variants=variants, traffic=Traffic(weights=weights))
    return validated(base.replace(variants=variants, traffic=base.traffic.replace(weights=weights)), TRAFFIC_FIRST)


def _variant(base: ServingSpec | None, ref: ModelRef, name: str, change: DeployVersion) -> Variant:
    """Create a variant with the settings of the version's present variant, or else of its model's only variant."""
    pattern = _pattern(base.variants if base else (), ref)
    settings: dict[str, Any] = pattern.model_dump(exclude={"name", "model", "digest"}) if pattern else {}
    changes = change.model_dump(include={"replicas", "runtime"}, exclude_none=True)
    try:
        return Variant.model_validate(settings | changes | {"name": name, "model": str(ref)})
    except ValidationError as error:
        raise invalid_request(error, Variant) from error


def _pattern(variants: tuple[Variant, ...], ref: ModelRef) -> Variant | None:
    same_version = [variant for variant in variants if variant.model == str(ref)]
    if same_version:
        return same_version[0]
    same_model = [variant for variant in variants if ModelRef.parse(variant.model).repository == ref.repository]
    return same_model[0] if len(same_model) == 1 else None


def _free_name(name: str, used: set[str]) -> str:
    """Return a unique name: `v1`, or `v1-2` if the v1 of another model is served beside it."""
    candidates = (name if number == 1 else f"{name[:60]}-{number}" for number in count(1))
    return next(candidate for candidate in candidates if candidate not in used)
