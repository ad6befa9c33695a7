"""From what a person asks for, in a word or two, to a serving's spec; pure."""

import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from pydantic import ValidationError

from kleverproto.mistakes import worded
from kleverproto.percents import apportion
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase
from kleverproto.traffic import Traffic
from kleverproto.variants import Autoscaling, Variant

from .errors import InputError

ALL = 100


def base_of(present: ServingDocument | None) -> ServingSpec | None:
    """The spec that a change begins with: what is wanted, or what serves where that has failed."""
    if present is None:
        return None
    failed = present.status.phase is ServingPhase.FAILED
    return (present.status.applied or present.spec) if failed else present.spec


def with_model(
    present: ServingSpec | None, ref: ModelRef, traffic: int | None, replicas: int | None = None, **settings: Any
) -> ServingSpec:
    """The spec in which a version serves a share of the traffic; what else the spec says stays.

    Args:
        present: what is served now, if anything.
        ref: the version. It takes over the settings of the one variant that it replaces or stands beside.
        traffic: percent for this version; the others keep the rest in their proportions. None: all of it, and the
            others go.
        replicas: processes of this version; as many as before, or one.
        settings: other fields of the variant, such as `runtime`.

    Raises:
        InputError: nothing is served yet, and less than all the traffic was asked for; or a rule or the mirror names
            a variant that would go.
    """
    others = [v for v in present.variants if v.model != str(ref)] if present else []
    changes = settings | ({"replicas": replicas} if replicas is not None else {})
    if traffic is None or traffic == ALL:
        variant = _variant(present, ref, variant_name(ref), changes)
        return _changed(present, variants=(variant,), weights={variant.name: ALL})
    if present is None or not others:
        raise InputError(
            f"nothing else would serve the other {ALL - traffic} %: deploy a first version without --traffic"
        )
    variant = _variant(present, ref, _free(variant_name(ref), {v.name for v in others}), changes)
    weights = apportion(ALL - traffic, {v.name: present.traffic.weights.get(v.name, 0) for v in others})
    return _changed(present, variants=(*others, variant), weights=weights | {variant.name: traffic})


def check_variants(spec: ServingSpec, serving: str, named: Iterable[str]) -> None:
    """Raise InputError where one of the names is not that of a variant; the message has those that the serving has."""
    known = [variant.name for variant in spec.variants]
    if unknown := [name for name in named if name not in known]:
        raise InputError(f"there is no variant {', '.join(unknown)}; {serving} has {', '.join(known)}")


def with_traffic(present: ServingSpec, weights: Mapping[str, int], **changes: Any) -> ServingSpec:
    """The spec with other weights, or other fields of the traffic. Raises InputError."""
    return _changed(present, weights=dict(weights) or present.traffic.weights, **changes)


def with_scale(
    present: ServingSpec, name: str | None, replicas: int | None, autoscaling: Autoscaling | None
) -> ServingSpec:
    """The spec with other numbers of processes.

    Args:
        present: what is served now.
        name: of the variant; every variant where it is None.
        replicas: a fixed number; without it, `autoscaling` is what counts.
        autoscaling: bounds between which the number moves.
    """
    numbers: dict[str, Any] = {"replicas": replicas} if replicas is not None else {}
    changes = numbers | {"autoscaling": autoscaling}
    variants = [v.model_copy(update=changes) if name in {None, v.name} else v for v in present.variants]
    return present.model_copy(update={"variants": tuple(variants)})


def revision_of(present: ServingDocument, generation: int | None) -> ServingSpec:
    """The spec of a revision that was served before.

    Args:
        present: the serving.
        generation: of the revision; where it is None, what serves now if something else is wanted (it is rolled out, or
            has failed), else the last revision that is not what serves now.

    Raises:
        InputError: there is no such revision.
    """
    kept, applied = present.status.revisions, present.status.applied
    if generation is None and applied is not None and present.spec != applied:
        return applied
    if generation is None:
        candidates = [revision for revision in kept if revision.spec != applied]
    else:
        candidates = [revision for revision in kept if revision.generation == generation]
    if not candidates:
        known = ", ".join(str(revision.generation) for revision in kept) or "none"
        what = "an earlier revision" if generation is None else f"a revision {generation}"
        raise InputError(f"{present.name} has not kept {what}; those it has: {known}")
    return candidates[-1].spec


def _variant(present: ServingSpec | None, ref: ModelRef, name: str, changes: dict[str, Any]) -> Variant:
    """As the version is served already; else as the one that its model is served by now."""
    same = [v for v in present.variants if v.model == str(ref)] if present else []
    alike = [v for v in present.variants if _is_same_model(v, ref)] if present else []
    pattern = (same or (alike if len(alike) == 1 else []))[:1]
    given = pattern[0].model_dump(exclude={"name", "model", "digest"}) if pattern else {}
    return Variant.model_validate(given | changes | {"name": name, "model": str(ref)})


def _is_same_model(variant: Variant, ref: ModelRef) -> bool:
    served = ModelRef.parse(variant.model)
    return (served.project, served.model) == (ref.project, ref.model)


def _changed(
    present: ServingSpec | None,
    *,
    weights: dict[str, int],
    variants: tuple[Variant, ...] | None = None,
    **traffic: Any,
) -> ServingSpec:
    """Raises InputError where the parts do not fit together."""
    if present is None:
        return ServingSpec(variants=variants or (), traffic=Traffic(weights=weights))
    changed = present.model_copy(
        update={
            "variants": variants if variants is not None else present.variants,
            "traffic": present.traffic.model_copy(update={"weights": weights, **traffic}),
        }
    )
    try:
        return ServingSpec.model_validate(changed.model_dump())
    except ValidationError as error:
        kept = ": change that first with `klever traffic`" if variants is not None else ""
        raise InputError(f"{worded(error, ServingSpec)}{kept}") from error


def variant_name(ref: ModelRef) -> str:
    """A DNS label from a tag: `v1.0` becomes `v1-0`."""
    bare = re.sub(r"[^a-z0-9-]+", "-", ref.version.lower()).strip("-")[:63].strip("-")
    return bare or "model"


def _free(name: str, taken: set[str]) -> str:
    """`v1`, or `v1-2` where another model's v1 is served beside it."""
    candidates = (name if number == 1 else f"{name[:60]}-{number}" for number in count(1))
    return next(candidate for candidate in candidates if candidate not in taken)
