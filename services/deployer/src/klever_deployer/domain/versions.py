"""Versions of a serving: their keys, specifications and states."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import VariantStatus
from kleverproto.variants import Variant

SHORT = 12
"""Hex digits of a revision."""
NAME_PARTS = 4
"""Parts of a version's name: namespace, serving, variant, revision."""
CUSTOM = "custom"
"""The recorded runtime of a custom server."""


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
class ModelFacts:
    """The facts about a model that determine its server."""

    format: str
    unverified: str = ""
    """The reason why a converted model was not compared with its source; empty if it was."""


@dataclass(frozen=True)
class ModelSource:
    """The model that a version serves, and the registry that holds it."""

    ref: ModelRef
    digest: str
    """The digest of the manifest."""
    registry: str | None
    """host:port; None if the version is not in the catalogue. A model that is prepared can still be served."""
    facts: ModelFacts
    made: str = ""
    """`project/model:version@digest` of the conversion, if no runtime serves the model's own format."""


@dataclass(frozen=True)
class VersionSpec:
    """The specification of a version's replicas; the same on every backend."""

    key: VersionKey
    variant: Variant
    model: ModelSource
    runtime: str
    """The model server, or `custom`."""
    trust: tuple[str, ...] = ()
    """Names that the model's project trusts, as module:Name."""

    @property
    def tag(self) -> str:
        """The version that servers report in responses."""
        return ModelRef.parse(self.variant.model).version


@dataclass(frozen=True)
class VersionState:
    """The observed state of a version."""

    key: VersionKey
    desired: int = 0
    """Replicas that should run; 0 if the version is only left from an earlier deployer."""
    ready: int = 0
    """Replicas that take requests."""
    restarts: int = 0
    """Number of restarts of its replicas."""
    problem: str | None = None
    """The reason why a replica does not start, as a sentence; None while it may start."""
    runtime: str = ""
    """See `VersionSpec`; empty while no replica runs, as are the fields below."""
    made: str = ""
    """See `ModelSource`."""
    unverified: str = ""
    """See `ModelFacts`."""
    sandbox: str = ""
    """A description of the sandbox of its servers, for people."""


@dataclass(frozen=True)
class Deployment:
    """A variant with a resolved digest, and the number of replicas that is wanted now."""

    variant: Variant
    replicas: int
    made: str = ""
    """See `ModelSource`; recorded, so that the conversion can be served while its source is not in the catalogue."""

    @cached_property
    def revision(self) -> str:
        """Identifies the servers of a version: the digest, and every setting that affects how they run."""
        facts = self.variant.model_dump(mode="json", exclude={"name", "model", "replicas", "autoscaling"})
        facts["version"] = ModelRef.parse(self.variant.model).version  # responses contain it
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:SHORT]

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


def statuses(
    serving: ServingName,
    wanted: Iterable[Deployment],
    states: Iterable[VersionState],
    *,
    weights: Mapping[VersionKey, int],
) -> tuple[VariantStatus, ...]:
    """The statuses of the variants, as recorded in the document.

    Args:
        serving: the serving of the variants.
        wanted: the variants that run.
        states: the states of all versions.
        weights: the percentage of the traffic of each version.
    """
    by_key = {state.key: state for state in states}
    return tuple(_status(each, by_key, each.key(serving), weights) for each in wanted)


def _status(
    deployment: Deployment,
    states: Mapping[VersionKey, VersionState],
    key: VersionKey,
    weights: Mapping[VersionKey, int],
) -> VariantStatus:
    state = states.get(key, VersionState(key))
    return VariantStatus(
        name=deployment.variant.name,
        model=deployment.variant.model,
        digest=deployment.digest,
        revision=deployment.revision,
        runtime=state.runtime,
        made=state.made or deployment.made,
        unverified=state.unverified,
        sandbox=state.sandbox,
        replicas=deployment.replicas,
        ready_replicas=min(state.ready, deployment.replicas),
        restarts=state.restarts,
        weight=weights.get(key, 0),
    )


def superfluous(serving: ServingName, wanted: Iterable[Deployment], states: Iterable[VersionState]) -> list[VersionKey]:
    """The versions of a serving that run but are not wanted."""
    needed = {each.key(serving) for each in wanted}
    return [state.key for state in states if state.key.serving == serving and state.key not in needed]


def are_ready(serving: ServingName, wanted: Iterable[Deployment], states: Iterable[VersionState]) -> bool:
    """Return whether every replica of these variants takes requests."""
    ready = {state.key: state.ready for state in states}
    return all(ready.get(each.key(serving), 0) >= each.replicas for each in wanted)


def start_problem(serving: ServingName, wanted: Iterable[Deployment], states: Iterable[VersionState]) -> str | None:
    """The reason why a wanted replica does not start, as a sentence; None while all may start."""
    needed = {each.key(serving) for each in wanted if each.replicas}
    failed = sorted((state for state in states if state.key in needed and state.problem), key=lambda state: state.key)
    if not failed:
        return None
    return f"the model server of variant {failed[0].key.variant} does not start: {failed[0].problem}"
