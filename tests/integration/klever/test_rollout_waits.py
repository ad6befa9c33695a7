"""`klever rollout promote` and `abort` return when the rollout has ended."""

from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from klever.cli.__main__ import cli
from kleverproto.rollouts import RolloutPhase, RolloutStatus
from kleverproto.servings import ServingDocument, ServingPhase
from support.gateway import serving_document
from support.stub_gateway import InTurn, stub_gateway

PATH = "/namespaces/default/servings/iris"


def at(rollout: RolloutPhase, serving: ServingPhase, generation: int = 2) -> dict[str, Any]:
    """A serving at a point of its rollout."""
    document: ServingDocument = serving_document()
    since = datetime(2026, 11, 27, tzinfo=UTC)
    status = RolloutStatus(generation=generation, strategy="blueGreen", phase=rollout, since=since)
    changed = document.status.model_copy(update={"rollout": status, "phase": serving})
    return document.model_copy(update={"status": changed}).model_dump(mode="json")


WAITING = at(RolloutPhase.WAITING, ServingPhase.PROGRESSING)
MOVING = at(RolloutPhase.PROGRESSING, ServingPhase.PROGRESSING)
PROMOTED = at(RolloutPhase.PROMOTED, ServingPhase.READY)
UNDONE = at(RolloutPhase.ROLLED_BACK, ServingPhase.FAILED)


def steered(action: str, *moments: dict[str, Any], options: tuple[str, ...] = ()) -> Result:
    with stub_gateway({f"{PATH}/rollout": WAITING, PATH: InTurn(moments)}) as url:
        return CliRunner().invoke(cli, ["rollout", "iris", action, "--server", url, *options])


@pytest.mark.parametrize(("action", "end"), [("promote", PROMOTED), ("abort", UNDONE)])
def test_the_command_returns_when_the_rollout_has_ended(action: str, end: dict[str, Any]) -> None:
    result = steered(action, WAITING, MOVING, end)
    assert result.exit_code == 0, result.output
    assert f"generation {end['generation']}, {end['status']['phase']}" in result.output


@pytest.mark.parametrize(
    ("action", "end", "ended"),
    [("promote", UNDONE, "RolledBack"), ("abort", PROMOTED, "Promoted")],
)
def test_a_rollout_with_another_outcome_is_an_error(action: str, end: dict[str, Any], ended: str) -> None:
    result = steered(action, MOVING, end)
    assert result.exit_code == 1
    assert f"the rollout of iris finished as {ended}" in result.output


def test_no_wait_returns_at_once() -> None:
    result = steered("promote", WAITING, options=("--no-wait",))
    assert result.exit_code == 0, result.output
    assert "shows its progress" in result.output


def test_pausing_does_not_wait() -> None:
    assert steered("pause", WAITING).exit_code == 0


def test_a_rollout_that_does_not_end_is_an_error() -> None:
    result = steered("promote", MOVING, options=("--timeout", "0.2"))
    assert result.exit_code == 1
    assert "the rollout of iris has not finished" in result.output
