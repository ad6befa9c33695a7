"""Derives the stage of a rollout from a serving's document."""

from kleverproto.rollouts import Revision
from kleverproto.servings import ServingDocument
from kleverroutes.routing import WHOLE, Stage
from kleverroutes.versions import ServingName, deployments

KEPT_REVISIONS = 10


def stage_of(serving: ServingName, document: ServingDocument) -> Stage:
    """The recorded stage of a document's rollout."""
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


def has_same_servers(stage: Stage) -> bool:
    """Return whether only the traffic changes, so that there is no new version."""
    old = {each.key(stage.serving) for each in stage.stable}
    return all(each.key(stage.serving) in old for each in stage.wanted)


def append_revision(document: ServingDocument, revision: Revision) -> tuple[Revision, ...]:
    """The revisions that can be rolled back to, once this one has all the traffic."""
    return (*document.status.revisions, revision)[-KEPT_REVISIONS:]
