"""Derives the availability of a serving from its replicas and its route; pure."""

from collections.abc import Iterable
from datetime import datetime

from klever_deployer.errors import MODEL_SERVER_FAILED, NO_REPLICAS, NO_ROUTE
from kleverproto.documents import Problem
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingPhase
from kleverroutes.routing import Stage, percents
from kleverroutes.versions import Deployment

from .intents import with_status
from .outcomes import UNANNOUNCED
from .versions import VersionState, are_ready, start_problem, statuses

SEEN = frozenset({MODEL_SERVER_FAILED, NO_REPLICAS, NO_ROUTE})
"""Problems of the observed state; all other problems come from a failed operation."""


def unavailable(stage: Stage, states: Iterable[VersionState], *, routed: bool) -> Problem | None:
    """The reason why requests fail now; None if each variant that takes requests has a replica or is idle.

    Args:
        stage: the applied stage.
        states: the states of versions, at least those of this serving.
        routed: whether the ingress has a route to the serving.
    """
    present = list(states)
    for each in stage.wanted:
        if _takes_requests(stage.spec, each.variant.name) and not _answers(stage, each, present):
            reason = start_problem(stage.serving, [each], present)
            if reason is not None:
                return Problem(code=MODEL_SERVER_FAILED, message=reason)
            message = f"no model server of variant {each.variant.name} is ready: it restarts automatically"
            return Problem(code=NO_REPLICAS, message=message)
    if not routed:
        message = f"the ingress is down or has no route to {stage.serving}: it is restored automatically"
        return Problem(code=NO_ROUTE, message=message)
    return None


def observed(
    document: ServingDocument, stage: Stage, states: Iterable[VersionState], now: datetime, *, routed: bool
) -> ServingDocument:
    """The document of an applied serving, updated from its present replicas and route.

    A serving that becomes unavailable changes from Ready to Progressing, with the reason, and back when it is available
    again. A serving whose last generation failed stays Failed.
    """
    present = list(states)
    variants = statuses(stage.serving, stage.wanted, present, weights=percents(stage))
    status = document.status
    if status.phase is ServingPhase.FAILED:
        return with_status(document, now, variants=variants)
    lost = unavailable(stage, present, routed=routed)
    problem = _problem(status.problem, lost, stage, present)
    document = with_status(document, now, variants=variants, problem=problem)
    if (lost is None) == (status.phase is ServingPhase.READY):
        return document
    if lost is None:
        return with_status(
            document, now, phase=ServingPhase.READY, ready_at=now, unavailable_since=None, step=UNANNOUNCED
        )
    return with_status(document, now, phase=ServingPhase.PROGRESSING, unavailable_since=now, step=UNANNOUNCED)


def is_applied(document: ServingDocument) -> bool:
    """Return whether the present generation was applied or has failed, so that nothing new has to be applied."""
    status = document.status
    if status.phase is ServingPhase.DELETING:
        return False
    return status.phase is ServingPhase.FAILED or status.observed_generation >= document.generation


def _problem(known: Problem | None, lost: Problem | None, stage: Stage, states: list[VersionState]) -> Problem | None:
    """The observed problem, unless the recorded problem explains why replicas cannot be started."""
    if known is not None and known.code not in SEEN and not are_ready(stage.serving, stage.wanted, states):
        return known
    reason = start_problem(stage.serving, stage.wanted, states)
    return lost or (Problem(code=MODEL_SERVER_FAILED, message=reason) if reason else None)


def _takes_requests(spec: ServingSpec, variant: str) -> bool:
    return bool(spec.traffic.weights.get(variant)) or any(rule.variant == variant for rule in spec.traffic.rules)


def _answers(stage: Stage, deployment: Deployment, states: list[VersionState]) -> bool:
    key = deployment.key(stage.serving)
    state = next((state for state in states if state.key == key), VersionState(key))
    # Requests for a variant that is idle, or starts for the first time, wait for it.
    return bool(state.ready) or (deployment.can_be_idle and not (state.restarts or state.problem))
