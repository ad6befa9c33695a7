"""Lines of containers: of the job's log, and the outcome that the command reports; pure."""

import json
from collections.abc import Callable

from pydantic import ValidationError

from klever_jobrunner.domain.command import RunOutcome

OUTCOME_FIELDS = frozenset(RunOutcome.model_fields)


def outcome_in(line: str, on_line: Callable[[str], None]) -> RunOutcome | None:
    """The outcome, if a line is one; all other lines are added to the job's log.

    Args:
        line: written by a container. Programs that load a model cannot write an outcome, since the command writes
            their lines as `{"line": "..."}`.
        on_line: called with lines of the job's log.
    """
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    if isinstance(content, dict) and isinstance(content.get("line"), str):
        on_line(content["line"])
        return None
    if isinstance(content, dict) and content and content.keys() <= OUTCOME_FIELDS:
        try:
            return RunOutcome.model_validate(content)
        except ValidationError:
            pass
    if line.strip():
        on_line(line)
    return None
