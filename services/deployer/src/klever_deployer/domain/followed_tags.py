"""Finds the servings that follow a tag, and applies a push to them."""

from collections import defaultdict

from kleverproto.push_policies import OnPush
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import Followed
from kleverroutes.versions import ServingName


def followed_tags(spec: ServingSpec) -> frozenset[ModelRef]:
    """The tags whose pushes concern the serving."""
    if spec.policy.on_push is not OnPush.DEPLOY:
        return frozenset()
    return frozenset(ModelRef.parse(each.model) for each in spec.variants)


def follows(spec: ServingSpec, ref: str) -> bool:
    """Return whether the serving follows the tag."""
    return ModelRef.parse(ref) in followed_tags(spec)


class FollowIndex:
    """Servings by the tags that they follow."""

    def __init__(self) -> None:
        self._servings: defaultdict[ModelRef, set[ServingName]] = defaultdict(set)
        self._tags: dict[ServingName, frozenset[ModelRef]] = {}

    def put(self, serving: ServingName, spec: ServingSpec | None) -> None:
        """Add or replace a serving; None removes it."""
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
    """The spec with the new digest of the tag."""
    named = ModelRef.parse(ref)
    variants = (each.replace(digest=digest) if ModelRef.parse(each.model) == named else each for each in spec.variants)
    return spec.replace(variants=tuple(variants))


def is_late(known: Followed | None, push: Followed) -> bool:
    """Return whether a push is already recorded, or older than the recorded one.

    Generations count the manifests of a tag. A tag that was deleted and pushed again is a new tag, created later.
    """
    if known is None:
        return False
    return (push.created_at, push.generation) <= (known.created_at, known.generation)
