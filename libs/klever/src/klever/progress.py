"""What a change of a serving waits for, in words; pure."""

from kleverproto.rollouts import RolloutPhase, RolloutStatus
from kleverproto.servings import ServingDocument, ServingPhase

UNTAKEN = "accepted; waiting for the deployer to begin"


def progress(serving: ServingDocument, generation: int) -> str:
    """What a generation, or a later one, waits for now; empty where it waits for nothing."""
    status = serving.status
    if status.phase is ServingPhase.PENDING or (status.phase is ServingPhase.PROGRESSING and not status.step):
        return UNTAKEN
    if status.phase is not ServingPhase.PROGRESSING:
        return ""
    rollout = status.rollout
    if rollout is not None and rollout.generation >= generation and rollout.measured is not None:
        return _of_rollout(rollout, serving.name)
    return status.step


def _of_rollout(rollout: RolloutStatus, name: str) -> str:
    """A step that has begun; who reads this can end it."""
    what = f"{rollout.strategy} {rollout.message}"
    if rollout.phase is RolloutPhase.PAUSED:
        return f"{what}; `klever rollout {name} resume` resumes it"
    return f"{what}; `klever rollout {name} promote` ends it, `klever rollout {name} abort` undoes it"
