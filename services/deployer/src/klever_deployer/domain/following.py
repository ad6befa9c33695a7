"""What a push means for a serving that follows its tags."""

from kleverproto.following import OnPush
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import Followed


def follows(spec: ServingSpec, ref: str) -> bool:
    """Whether a push to the tag concerns the serving."""
    named = ModelRef.parse(ref)
    return spec.policy.on_push is OnPush.DEPLOY and any(ModelRef.parse(each.model) == named for each in spec.variants)


def followed(spec: ServingSpec, ref: str, digest: str) -> ServingSpec:
    """The spec with the manifest that the tag names now."""
    named = ModelRef.parse(ref)
    variants = (each.replace(digest=digest) if ModelRef.parse(each.model) == named else each for each in spec.variants)
    return spec.replace(variants=tuple(variants))


def is_late(known: Followed | None, push: Followed) -> bool:
    """Whether a push is known already, or older than the known one.

    Generations count the manifests of a tag; a tag that was deleted and pushed again is another tag, created later.
    """
    if known is None:
        return False
    return (push.created_at, push.generation) <= (known.created_at, known.generation)
