"""Edits of a serving's spec: traffic, replicas, and the return to an earlier revision. Pure functions."""

from pydantic import ValidationError

from kleverproto.serving_changes import ChangeTraffic, ScaleServing
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant

from .invalid import invalid_field, invalid_request


def base_spec(present: ServingDocument) -> ServingSpec:
    """Return the spec to edit: the requested one, or the applied one if the requested one has failed."""
    has_failed = present.status.phase is ServingPhase.FAILED
    return (present.status.applied or present.spec) if has_failed else present.spec


def with_traffic(present: ServingDocument, change: ChangeTraffic) -> ServingSpec:
    """Return the spec with the new split of the traffic. Raises InvalidRequestError, by field."""
    base, fields = base_spec(present), change.model_fields_set
    check_variants(base, present.name, "weights", [*(change.weights or {})])
    traffic = Traffic(
        weights=change.weights or base.traffic.weights,
        rules=(change.rules or ()) if "rules" in fields else base.traffic.rules,
        mirror=change.mirror if "mirror" in fields else base.traffic.mirror,
        sticky=change.sticky if "sticky" in fields else base.traffic.sticky,
    )
    return validated(base.replace(traffic=traffic))


def with_scale(present: ServingDocument, change: ScaleServing) -> ServingSpec:
    """Return the spec with the new number of replicas. Raises InvalidRequestError, by field."""
    base = base_spec(present)
    check_variants(base, present.name, "variant", [change.variant] if change.variant else [])
    variants = [_scaled(each, change) if change.variant in {None, each.name} else each for each in base.variants]
    return base.replace(variants=tuple(variants))


def earlier_revision(present: ServingDocument, generation: int | None) -> ServingSpec:
    """Return the spec of a revision that was served before.

    Args:
        present: the serving.
        generation: generation of the revision. None selects the applied revision if another one is requested (its
            rollout is in progress or has failed), otherwise the last revision that differs from the applied one.

    Raises:
        InvalidRequestError: the revision does not exist.
    """
    revisions, applied = present.status.revisions, present.status.applied
    if generation is None and applied is not None and present.spec != applied:
        return applied
    if generation is None:
        candidates = [each for each in revisions if each.spec != applied]
    else:
        candidates = [each for each in revisions if each.generation == generation]
    if not candidates:
        generations = ", ".join(str(each.generation) for each in revisions) or "none"
        missing = "no earlier revision" if generation is None else f"no revision {generation}"
        raise invalid_field("generation", f"{present.name} has kept {missing}; its revisions are: {generations}")
    return candidates[-1].spec


def check_variants(spec: ServingSpec, serving: str, field: str, names: list[str]) -> None:
    """Raise InvalidRequestError, with a list of the serving's variants, if one of the names is not a variant."""
    known = [variant.name for variant in spec.variants]
    if unknown := [name for name in names if name not in known]:
        raise invalid_field(field, f"there is no variant {', '.join(unknown)}; {serving} has {', '.join(known)}")


def validated(spec: ServingSpec, advice: str = "") -> ServingSpec:
    """Return the spec if it is valid as a whole. Raises InvalidRequestError, by field."""
    try:
        return ServingSpec.model_validate(spec.model_dump())
    except ValidationError as error:
        raise invalid_request(error, ServingSpec, advice=advice) from error


def _scaled(variant: Variant, change: ScaleServing) -> Variant:
    replicas = variant.replicas if change.replicas is None else change.replicas
    return variant.replace(replicas=replicas, autoscaling=change.autoscaling)
