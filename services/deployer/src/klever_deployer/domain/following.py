"""What a push means for a serving that follows its tags."""

from kleverproto.following import OnPush
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec


def follows(spec: ServingSpec, ref: ModelRef) -> bool:
    """Whether a push to the tag concerns the serving."""
    return spec.policy.on_push is OnPush.DEPLOY and any(ModelRef.parse(each.model) == ref for each in spec.variants)


def followed(spec: ServingSpec, ref: ModelRef, digest: str) -> ServingSpec:
    """The spec with the manifest that the tag names now."""
    variants = (
        each.model_copy(update={"digest": digest}) if ModelRef.parse(each.model) == ref else each
        for each in spec.variants
    )
    return spec.model_copy(update={"variants": tuple(variants)})
