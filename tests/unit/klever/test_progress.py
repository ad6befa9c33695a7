"""The output while a change of a serving is in progress."""

import pytest

from klever.cli.steps import Steps
from klever.progress import ACCEPTED, progress
from kleverproto.rollouts import Measurement, RolloutPhase, RolloutStatus
from kleverproto.servings import ServingPhase
from support.gateway import NOW, serving_document

PROMOTE = "`klever rollout iris promote` ends it, `klever rollout iris abort` undoes it"


def canary(message: str, phase: RolloutPhase = RolloutPhase.PROGRESSING, *, requests: int | None = 0) -> RolloutStatus:
    measured = Measurement(requests=requests, error_percent=0) if requests is not None else None
    return RolloutStatus(
        generation=1, strategy="canary", phase=phase, weight=5, since=NOW, message=message, measured=measured
    )


def seen(phase: ServingPhase, step: str = "", rollout: RolloutStatus | None = None) -> str:
    return progress(serving_document(phase=phase, step=step, rollout=rollout), 1)


def test_a_wait_is_reported_with_the_way_to_end_it() -> None:
    working = ServingPhase.PROGRESSING
    at_five = canary("at 5 %: 0 of 20 requests that an analysis needs")
    paused = canary("paused at 5 %", RolloutPhase.PAUSED)
    assert seen(ServingPhase.PENDING) == ACCEPTED
    assert seen(working, "starting model servers") == "starting model servers"
    assert seen(working, "5 % of the traffic: step 1 of 3", canary("step 1 of 3", requests=None)) == (
        "5 % of the traffic: step 1 of 3"
    )
    assert seen(working, "5 %", at_five) == f"canary at 5 %: 0 of 20 requests that an analysis needs; {PROMOTE}"
    assert seen(working, "5 %", paused) == "canary paused at 5 %; `klever rollout iris resume` resumes it"
    assert seen(ServingPhase.READY, "ready") == ""


def test_lines_are_printed_only_on_change_and_the_spinner_shows_each_count(capsys: pytest.CaptureFixture[str]) -> None:
    spun: list[str] = []
    steps = Steps(spun.append, quiet=False)
    at = "canary at {} %: {} of 20 requests that an analysis needs"
    for step in (at.format(5, 0), at.format(5, 0), at.format(5, 1), at.format(5, 19), at.format(25, 0)):
        steps(step)
    for count in (25, 26):
        steps(f"canary at 25 %: doing well over {count} requests")
    assert capsys.readouterr().err.splitlines() == [
        "  canary at 5 %: 0 of 20 requests that an analysis needs",
        "  canary at 25 %: 0 of 20 requests that an analysis needs",
        "  canary at 25 %: doing well over 25 requests",
    ]
    assert spun[-1] == "canary at 25 %: doing well over 26 requests"


def test_only_a_deployer_that_starts_late_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    steps = Steps(lambda _: None, quiet=False, clock=lambda: now[0])
    steps(ACCEPTED)
    assert capsys.readouterr().err == ""
    now[0] = 5.0
    steps(ACCEPTED)
    assert capsys.readouterr().err == f"  {ACCEPTED}\n"


def test_nothing_is_printed_beside_json(capsys: pytest.CaptureFixture[str]) -> None:
    Steps(lambda _: None, quiet=True)("starting model servers")
    assert capsys.readouterr() == ("", "")
