"""Decides the next step of a rollout."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kleverproto.codes import ANALYSIS_FAILED, ROLLOUT_ABORTED
from kleverproto.rollouts import Measurement, RolloutAction, RolloutPhase, RolloutStatus, RolloutStep
from kleverproto.strategies import BlueGreen, Canary, Recreate, Rolling
from kleverroutes.routing import WHOLE

from .analysis import Judgement, Unmeasured, Verdict, judge

AnyStrategy = Rolling | Recreate | BlueGreen | Canary


@dataclass(frozen=True)
class Stay:
    """No traffic is shifted; the phase and the reason are recorded."""

    phase: RolloutPhase
    message: str


@dataclass(frozen=True)
class MoveTo:
    """The new version gets this percentage of the traffic; 100 completes the rollout."""

    weight: int
    message: str


@dataclass(frozen=True)
class RollBack:
    """The old version gets all the traffic again."""

    code: str
    message: str


Move = Stay | MoveTo | RollBack


def next_move(strategy: AnyStrategy, status: RolloutStatus, measured: Measurement | Unmeasured, now: datetime) -> Move:
    """Decide the next move for a new version that is ready.

    Args:
        strategy: the strategy of the requested spec.
        status: the progress of the rollout.
        measured: the measurement of the new version in this step. Without one, only users move it.
        now: the present time.
    """
    if status.action is RolloutAction.ABORT:
        return RollBack(ROLLOUT_ABORTED, f"aborted at {status.weight} %")
    if status.action is RolloutAction.PROMOTE:
        return MoveTo(WHOLE, "promoted")
    if isinstance(strategy, Canary):
        return _canary(strategy, status, measured, now)
    if isinstance(strategy, BlueGreen) and not strategy.auto_promote:
        return Stay(RolloutPhase.WAITING, "ready beside the old version: promote it, or abort")
    return MoveTo(WHOLE, "all at once")


def moved(
    status: RolloutStatus, move: MoveTo, weights: dict[str, int], measured: Measurement | None, now: datetime
) -> RolloutStatus:
    """The rollout after a step with these weights of the variants."""
    step = RolloutStep(weight=move.weight, weights=weights, at=now, message=move.message, measured=measured)
    phase = RolloutPhase.PROMOTED if move.weight == WHOLE else RolloutPhase.PROGRESSING
    return status.replace(
        phase=phase,
        weight=move.weight,
        since=now,
        message=move.message,
        measured=None,
        action=None,
        steps=(*status.steps, step),
    )


def describe(step: RolloutStep) -> str:
    """A step as one line, with the share of each variant if there are several."""
    each = ", ".join(f"{variant} {percent} %" for variant, percent in step.weights.items())
    return f"{each if len(step.weights) > 1 else f'{step.weight} %'} of the traffic: {step.message}"


def _canary(canary: Canary, status: RolloutStatus, measured: Measurement | Unmeasured, now: datetime) -> Move:
    over = now - status.since >= timedelta(seconds=canary.interval_seconds)
    judgement = _judge(canary, measured, interval_is_over=over)
    verdict, why = judgement.verdict, judgement.reason
    if status.weight and verdict is Verdict.ROLL_BACK:
        return RollBack(ANALYSIS_FAILED, f"at {status.weight} %: {why}")
    if status.paused:
        return Stay(RolloutPhase.PAUSED, f"paused at {status.weight} %")
    if status.weight and verdict is Verdict.WAIT:
        return Stay(RolloutPhase.PROGRESSING, f"at {status.weight} %: {why}")
    return _next_step(canary, status.weight, f"{why} at {status.weight} %; " if status.weight else "")


def _judge(canary: Canary, measured: Measurement | Unmeasured, *, interval_is_over: bool) -> Judgement:
    if isinstance(measured, Unmeasured):
        return Judgement(Verdict.WAIT, f"not analysed: {measured.reason}")
    return judge(measured, canary.analysis, interval_is_over=interval_is_over)


def _next_step(canary: Canary, weight: int, why: str) -> MoveTo:
    number, step = next(((n, each) for n, each in enumerate(canary.steps, 1) if each > weight), (0, WHOLE))
    return MoveTo(step, f"{why}step {number} of {len(canary.steps)}" if number else f"{why}the last step")
