"""From a serving's document to what is there while it goes from one spec to another."""

from kleverproto.rollouts import Revision
from kleverproto.servings import ServingDocument

from .replicas import Deployment, ServingName, deployments
from .routing import WHOLE, Stage

KEPT_REVISIONS = 10


def stage_of(serving: ServingName, document: ServingDocument) -> Stage:
    """Where the rollout of a document is, as far as it is recorded."""
    status, rollout = document.status, document.status.rollout
    stable = deployments(status.applied, status.variants)
    begun = rollout is not None and rollout.generation == document.generation
    return Stage(
        serving=serving,
        spec=document.spec,
        wanted=deployments(document.spec, status.variants),
        stable=stable,
        stable_spec=status.applied,
        percent=rollout.weight if begun and rollout is not None and stable else 0 if stable else WHOLE,
    )


def same_servers(stage: Stage) -> bool:
    """Whether only the traffic changes, so that there is no new version to try."""
    return _servers(stage.wanted) <= _servers(stage.stable)


def revisions_with(document: ServingDocument, revision: Revision) -> tuple[Revision, ...]:
    """What can be had again, after a revision has got all the traffic."""
    return (*document.status.revisions, revision)[-KEPT_REVISIONS:]


def _servers(found: tuple[Deployment, ...]) -> set[tuple[str, str]]:
    return {(each.variant.name, each.revision) for each in found}
