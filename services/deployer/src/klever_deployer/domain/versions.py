"""Versions of a serving: their specifications and states."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kleverproto.references import ModelRef
from kleverproto.servings import VariantStatus
from kleverproto.variants import Variant
from kleverroutes.versions import Deployment, ServingName, VersionKey


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
