"""From "this version, with so much traffic" to a serving's spec; pure."""

import re
from itertools import count
from math import floor

from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant

from .errors import InputError

ALL = 100


def with_model(present: ServingSpec | None, ref: ModelRef, traffic: int | None, replicas: int = 1) -> ServingSpec:
    """The spec in which a version serves a share of the traffic.

    Args:
        present: what is served now, if anything.
        ref: the version.
        traffic: percent for this version; the others keep the rest in their proportions. None: all of it, and the
            others go.
        replicas: processes of this version.

    Raises:
        InputError: nothing is served yet, and less than all the traffic was asked for.
    """
    others = [v for v in present.variants if v.model != str(ref)] if present else []
    if traffic is None or traffic == ALL:
        variant = Variant(name=variant_name(ref), model=str(ref), replicas=replicas)
        return ServingSpec(variants=(variant,), traffic=Traffic(weights={variant.name: ALL}))
    if present is None or not others:
        raise InputError(
            f"nothing else would serve the other {ALL - traffic} %: deploy a first version without --traffic"
        )
    variant = Variant(name=_free(variant_name(ref), {v.name for v in others}), model=str(ref), replicas=replicas)
    weights = _shared(ALL - traffic, {v.name: present.traffic.weights.get(v.name, 0) for v in others})
    return ServingSpec(variants=(*others, variant), traffic=Traffic(weights=weights | {variant.name: traffic}))


def variant_name(ref: ModelRef) -> str:
    """A DNS label from a tag: `v1.0` becomes `v1-0`."""
    bare = re.sub(r"[^a-z0-9-]+", "-", ref.version.lower()).strip("-")[:63].strip("-")
    return bare or "model"


def _free(name: str, taken: set[str]) -> str:
    """`v1`, or `v1-2` where another model's v1 is served beside it."""
    candidates = (name if number == 1 else f"{name[:60]}-{number}" for number in count(1))
    return next(candidate for candidate in candidates if candidate not in taken)


def _shared(percent: int, weights: dict[str, int]) -> dict[str, int]:
    """Spread whole percents in proportion; what rounding leaves goes to the largest remainders."""
    total = sum(weights.values())
    exact = {n: percent * w / total if total else percent / len(weights) for n, w in weights.items()}
    shares = {name: floor(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: shares[name] - exact[name])
    for name in by_remainder[: percent - sum(shares.values())]:
        shares[name] += 1
    return shares
