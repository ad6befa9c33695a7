"""Describes the progress of a change of a serving; pure."""

from kleverproto.rollouts import RolloutPhase, RolloutStatus
from kleverproto.servings import ServingDocument, ServingPhase

ACCEPTED = "accepted; waiting for the deployer"


def progress(serving: ServingDocument, generation: int) -> str:
    """Describe the pending condition of a generation or a later one; empty if there is none."""
    status = serving.status
    if status.phase is ServingPhase.PENDING or (status.phase is ServingPhase.PROGRESSING and not status.step):
        return ACCEPTED
    if status.phase is not ServingPhase.PROGRESSING:
        return ""
    rollout = status.rollout
    if rollout is not None and rollout.generation >= generation and rollout.measured is not None:
        return _describe_rollout(rollout, serving.name)
    return status.step


def _describe_rollout(rollout: RolloutStatus, name: str) -> str:
    """Describe a step in progress, with the commands to finish it."""
    what = f"{rollout.strategy} {rollout.message}"
    if rollout.phase is RolloutPhase.PAUSED:
        return f"{what}; `klever rollout {name} resume` resumes it"
    return f"{what}; `klever rollout {name} promote` ends it, `klever rollout {name} abort` undoes it"
