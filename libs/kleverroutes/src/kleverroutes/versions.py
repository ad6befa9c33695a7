"""Versions of a serving, and the variants of its spec that are deployed as versions."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from kleverproto.revisions import revision_of
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import VariantStatus
from kleverproto.variants import Variant

NAME_PARTS = 4
"""Parts of a version's name: namespace, serving, variant, revision."""


@dataclass(frozen=True, order=True)
class ServingName:
    """A serving in a namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, order=True)
class VersionKey:
    """A variant of a serving in one revision.

    Each revision is a separate version, so that old and new run side by side. A version is the unit of workloads,
    routes, scaling and counters.
    """

    serving: ServingName
    variant: str
    revision: str

    @property
    def token(self) -> str:
        """Unique within the serving; used as the value of a cookie."""
        return f"{self.variant}.{self.revision}"

    @property
    def name(self) -> str:
        """Unique among all servings."""
        return f"{self.serving}/{self.variant}/{self.revision}"

    @classmethod
    def parse(cls, name: str) -> "VersionKey | None":
        """Parse the `name` of a version; None if the text is not one."""
        parts = name.split("/")
        if len(parts) != NAME_PARTS:
            return None
        namespace, serving, variant, revision = parts
        return cls(ServingName(namespace, serving), variant, revision)


@dataclass(frozen=True)
class Deployment:
    """A variant with a resolved digest, and the number of replicas that is wanted now."""

    variant: Variant
    replicas: int
    made: str = ""
    """`project/model:version@digest` of the conversion, if no runtime serves the model's own format.

    It is recorded, so that the conversion can be served while its source is not in the catalogue.
    """

    @cached_property
    def revision(self) -> str:
        """Identifies the servers of a version: the digest, and every setting that affects how they run."""
        return revision_of(self.variant)

    def key(self, serving: ServingName) -> VersionKey:
        """The key of this version."""
        return VersionKey(serving, self.variant.name, self.revision)

    @property
    def digest(self) -> str:
        """The digest of the model's manifest. Raises ValueError if it is not resolved."""
        if self.variant.digest is None:
            raise ValueError(f"variant {self.variant.name} has no digest")
        return self.variant.digest

    @property
    def can_be_idle(self) -> bool:
        """True if autoscaling may scale the variant to zero replicas."""
        return self.variant.autoscaling is not None and self.variant.autoscaling.min_replicas == 0


def deployments(spec: ServingSpec | None, recorded: Iterable[VariantStatus]) -> tuple[Deployment, ...]:
    """The variants of a spec, each with the number of replicas that was last wanted.

    Args:
        spec: the spec with resolved digests; None for no variants.
        recorded: the recorded statuses; with autoscaling, their number of replicas replaces that of the spec.
    """
    known = {(status.name, status.revision): status for status in recorded}
    first = [Deployment(variant, initial_replicas(variant)) for variant in (spec.variants if spec else ())]
    return tuple(_resumed(each, known.get((each.variant.name, each.revision))) for each in first)


def initial_replicas(variant: Variant) -> int:
    """The initial number of replicas of a variant."""
    return _within(variant, variant.replicas)


def _resumed(deployment: Deployment, recorded: VariantStatus | None) -> Deployment:
    if recorded is None:
        return deployment
    return replace(deployment, replicas=_within(deployment.variant, recorded.replicas), made=recorded.made)


def _within(variant: Variant, replicas: int) -> int:
    scaling = variant.autoscaling
    if scaling is None:
        return variant.replicas
    return min(max(replicas, scaling.min_replicas), scaling.max_replicas)
