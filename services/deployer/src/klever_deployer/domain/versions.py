"""Versions of a serving: which are needed, and how they are."""

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
"""Of a version's name: namespace, serving, variant, revision."""
CUSTOM = "custom"
"""What is recorded as the runtime of a server of the user's own."""


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

    Another revision is another version, so that old and new run side by side. It is the unit of workloads, routes,
    scaling and counts.
    """

    serving: ServingName
    variant: str
    revision: str

    @property
    def token(self) -> str:
        """What sets it apart within its serving, as a cookie's value."""
        return f"{self.variant}.{self.revision}"

    @property
    def name(self) -> str:
        """Unique among all servings."""
        return f"{self.serving}/{self.variant}/{self.revision}"

    @classmethod
    def parse(cls, name: str) -> "VersionKey | None":
        """The version of a `name`; None where the text is none."""
        parts = name.split("/")
        if len(parts) != NAME_PARTS:
            return None
        namespace, serving, variant, revision = parts
        return cls(ServingName(namespace, serving), variant, revision)


@dataclass(frozen=True)
class ModelFacts:
    """What has to be known of a model to choose its server."""

    format: str
    unverified: str = ""
    """Of a converted model, why it was not compared with its source."""


@dataclass(frozen=True)
class ModelSource:
    """The model that a version serves, and where it is pulled from."""

    ref: ModelRef
    digest: str
    """Of the manifest."""
    registry: str | None
    """host:port; None while the catalogue does not know the version, which can be served where it is prepared."""
    facts: ModelFacts
    made: str = ""
    """`project/model:version@digest` of what the platform has made of a model that nothing serves as it is."""


@dataclass(frozen=True)
class VersionSpec:
    """What the replicas of a version run; the same on every backend."""

    key: VersionKey
    variant: Variant
    model: ModelSource
    runtime: str
    """The model server, or `custom`."""
    trust: tuple[str, ...] = ()
    """What the model's project trusts, as module:Name."""

    @property
    def tag(self) -> str:
        """What the servers call their version in answers."""
        return ModelRef.parse(self.variant.model).version


@dataclass(frozen=True)
class VersionState:
    """How a version is."""

    key: VersionKey
    desired: int = 0
    """Replicas that should run; 0 also where the version only remains from an earlier deployer."""
    ready: int = 0
    """Of these, the replicas that take requests."""
    restarts: int = 0
    """How often its replicas were started again after they exited."""
    problem: str | None = None
    """Why a replica does not start, in words; None while it may."""
    runtime: str = ""
    """See `VersionSpec`; empty while nothing of it runs, like those below."""
    made: str = ""
    """See `ModelSource`."""
    unverified: str = ""
    """See `ModelFacts`."""
    sandbox: str = ""
    """What confines its servers, for people."""


@dataclass(frozen=True)
class Deployment:
    """A variant, its digest resolved, with how many replicas of it are wanted now."""

    variant: Variant
    replicas: int
    made: str = ""
    """See `ModelSource`; what is recorded of it, so that it is served while the catalogue does not know its source."""

    @cached_property
    def revision(self) -> str:
        """Identifies the servers of a version: the digest, and every setting that affects how they run."""
        facts = self.variant.model_dump(mode="json", exclude={"name", "model", "replicas", "autoscaling"})
        facts["version"] = ModelRef.parse(self.variant.model).version  # answers name it
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:SHORT]

    def key(self, serving: ServingName) -> VersionKey:
        """The version that it is."""
        return VersionKey(serving, self.variant.name, self.revision)

    @property
    def digest(self) -> str:
        """Of the model's manifest. Raises ValueError where it was not resolved."""
        if self.variant.digest is None:
            raise ValueError(f"variant {self.variant.name} has no digest")
        return self.variant.digest

    @property
    def can_be_idle(self) -> bool:
        """Whether it may have no replica at all."""
        return self.variant.autoscaling is not None and self.variant.autoscaling.min_replicas == 0


def deployments(spec: ServingSpec | None, recorded: Iterable[VariantStatus]) -> tuple[Deployment, ...]:
    """The variants of a spec, each with the number of replicas that was last wanted of it.

    Args:
        spec: with its digests; None for nothing.
        recorded: another number of replicas than the spec's comes from autoscaling.
    """
    known = {(status.name, status.revision): status for status in recorded}
    first = [Deployment(variant, first_replicas(variant)) for variant in (spec.variants if spec else ())]
    return tuple(_resumed(each, known.get((each.variant.name, each.revision))) for each in first)


def first_replicas(variant: Variant) -> int:
    """How many replicas a variant begins with."""
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
    """The variants as they are recorded.

    Args:
        serving: whose they are.
        wanted: what runs of it.
        states: all versions.
        weights: percent of the traffic of each version.
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
    """The versions of a serving that run and are none of these."""
    needed = {each.key(serving) for each in wanted}
    return [state.key for state in states if state.key.serving == serving and state.key not in needed]


def are_ready(serving: ServingName, wanted: Iterable[Deployment], states: Iterable[VersionState]) -> bool:
    """Whether every replica of these variants takes requests."""
    ready = {state.key: state.ready for state in states}
    return all(ready.get(each.key(serving), 0) >= each.replicas for each in wanted)


def start_problem(serving: ServingName, wanted: Iterable[Deployment], states: Iterable[VersionState]) -> str | None:
    """Why a replica that is needed does not start, as a sentence; None while all of them may."""
    needed = {each.key(serving) for each in wanted if each.replicas}
    failed = sorted((state for state in states if state.key in needed and state.problem), key=lambda state: state.key)
    if not failed:
        return None
    return f"the model server of variant {failed[0].key.variant} does not start: {failed[0].problem}"
