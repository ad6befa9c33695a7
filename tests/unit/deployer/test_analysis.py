"""The verdict on a new version, and the next step."""

from datetime import UTC, datetime, timedelta

import pytest

from klever_deployer.domain import steps
from klever_deployer.domain.analysis import Bucket, Counts, Verdict, difference, judge, measurement, total
from kleverproto.rollouts import Measurement, RolloutAction, RolloutPhase, RolloutStatus
from kleverproto.strategies import Analysis, BlueGreen, Canary, Rolling

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CANARY = Canary(steps=(10, 50), interval_seconds=60, analysis=Analysis(max_error_percent=5, min_requests=10))
GOOD, BAD = Measurement(requests=100, error_percent=0), Measurement(requests=100, error_percent=6)
FEW = Measurement(requests=9, error_percent=100)


def at(weight: int, *, seconds: float = 61, **changes: object) -> RolloutStatus:
    status = RolloutStatus(generation=2, strategy="canary", weight=weight, since=NOW - timedelta(seconds=seconds))
    return status.model_copy(update=changes)


def test_a_difference_counts_the_requests_between_two_samples() -> None:
    before = Counts(10, 2, (Bucket(5.0, 8), Bucket(10.0, 10), Bucket(25.0, 10)))
    after = Counts(110, 12, (Bucket(5.0, 8), Bucket(10.0, 60), Bucket(25.0, 110)))
    assert difference(before, after) == Counts(100, 10, (Bucket(5.0, 0), Bucket(10.0, 50), Bucket(25.0, 100)))
    restarted = Counts(3, 1)
    assert difference(before, restarted) == restarted


def test_percentiles_are_the_upper_end_of_their_bucket() -> None:
    measured = measurement(Counts(100, 10, (Bucket(5.0, 90), Bucket(10.0, 96), Bucket(25.0, 100))))
    assert (measured.error_percent, measured.p95_ms, measured.p99_ms) == (10.0, 10.0, 25.0)
    assert measurement(Counts()) == Measurement(requests=0, error_percent=0)


def test_several_versions_are_judged_together() -> None:
    assert total([Counts(1, 1, (Bucket(5.0, 1),)), Counts(2, 0, (Bucket(5.0, 2),))]) == Counts(3, 1, (Bucket(5.0, 3),))


@pytest.mark.parametrize(
    ("measured", "over", "verdict"),
    [
        (GOOD, True, Verdict.CONTINUE),
        (GOOD, False, Verdict.WAIT),
        (BAD, False, Verdict.ROLL_BACK),
        (FEW, True, Verdict.WAIT),
        (GOOD.model_copy(update={"p99_ms": 300.0}), True, Verdict.ROLL_BACK),
    ],
)
def test_a_canary_has_the_expected_verdict(measured: Measurement, over: bool, verdict: Verdict) -> None:  # noqa: FBT001 - a table
    limits = CANARY.analysis.model_copy(update={"max_p99_ms": 250.0})
    assert judge(measured, limits, interval_is_over=over).verdict is verdict


@pytest.mark.parametrize(
    ("status", "measured", "move"),
    [
        (at(0), GOOD, steps.MoveTo(10, "step 1 of 2")),
        (at(10), GOOD, steps.MoveTo(50, "within the limits over 100 requests at 10 %; step 2 of 2")),
        (at(50), GOOD, steps.MoveTo(100, "within the limits over 100 requests at 50 %; the last step")),
        (at(10, seconds=5), GOOD, steps.Stay(RolloutPhase.PROGRESSING, "at 10 %: within the limits over 100 requests")),
        (at(10, paused=True), GOOD, steps.Stay(RolloutPhase.PAUSED, "paused at 10 %")),
        (at(0, paused=True), GOOD, steps.Stay(RolloutPhase.PAUSED, "paused at 0 %")),
        (at(10, action=RolloutAction.PROMOTE), BAD, steps.MoveTo(100, "promoted")),
        (at(10, action=RolloutAction.ABORT), GOOD, steps.RollBack("rollout_aborted", "aborted at 10 %")),
    ],
)
def test_a_canary_takes_the_expected_next_step(status: RolloutStatus, measured: Measurement, move: steps.Move) -> None:
    assert steps.next_move(CANARY, status, measured, NOW) == move


@pytest.mark.parametrize("paused", [False, True])
def test_a_bad_canary_is_removed_before_its_interval_ends_and_while_it_is_paused(
    paused: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    move = steps.next_move(CANARY, at(10, seconds=1, paused=paused), BAD, NOW)
    assert move == steps.RollBack("analysis_failed", "at 10 %: 6 % of 100 requests failed, and the limit is 5 %")


def test_blue_green_waits_for_a_promotion_unless_it_promotes_itself() -> None:
    assert isinstance(steps.next_move(BlueGreen(), at(0), FEW, NOW), steps.Stay)
    assert steps.next_move(BlueGreen(auto_promote=True), at(0), FEW, NOW) == steps.MoveTo(100, "all at once")
    assert steps.next_move(BlueGreen(), at(0, action=RolloutAction.PROMOTE), FEW, NOW) == steps.MoveTo(100, "promoted")


def test_rolling_moves_all_traffic_at_once() -> None:
    assert steps.next_move(Rolling(), at(0), FEW, NOW) == steps.MoveTo(100, "all at once")


def test_a_step_is_kept_with_the_measurements_before_it() -> None:
    status = steps.moved(at(10, action=RolloutAction.PROMOTE), steps.MoveTo(100, "promoted"), {"v2": 100}, GOOD, NOW)
    assert (status.phase, status.weight, status.since, status.action) == (RolloutPhase.PROMOTED, 100, NOW, None)
    assert [(step.weight, step.measured) for step in status.steps] == [(100, GOOD)]
