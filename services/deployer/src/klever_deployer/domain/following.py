"""What a push means for a serving that follows its tags."""

from collections import defaultdict

from kleverproto.following import OnPush
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import Followed

from .versions import ServingName


def followed_tags(spec: ServingSpec) -> frozenset[ModelRef]:
    """The tags whose pushes concern the serving."""
    if spec.policy.on_push is not OnPush.DEPLOY:
        return frozenset()
    return frozenset(ModelRef.parse(each.model) for each in spec.variants)


def follows(spec: ServingSpec, ref: str) -> bool:
    """Whether a push to the tag concerns the serving."""
    return ModelRef.parse(ref) in followed_tags(spec)


class FollowIndex:
    """Servings by the tags that they follow."""

    def __init__(self) -> None:
        self._servings: defaultdict[ModelRef, set[ServingName]] = defaultdict(set)
        self._tags: dict[ServingName, frozenset[ModelRef]] = {}

    def put(self, serving: ServingName, spec: ServingSpec | None) -> None:
        """Replace what is known of a serving; None for one that is deleted."""
        wanted = followed_tags(spec) if spec is not None else frozenset()
        for tag in self._tags.pop(serving, frozenset()) - wanted:
            self._servings[tag].discard(serving)
            if not self._servings[tag]:
                del self._servings[tag]
        for tag in wanted:
            self._servings[tag].add(serving)
        if wanted:
            self._tags[serving] = wanted

    def followers(self, ref: ModelRef) -> frozenset[ServingName]:
        """The servings that follow a tag."""
        return frozenset(self._servings.get(ref, ()))


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
