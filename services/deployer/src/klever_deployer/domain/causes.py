"""Why a model server ended, told from the last lines of its log; pure."""

import json
import re
from collections.abc import Sequence

SHOWN = 5
"""Lines of a log that are shown behind the cause."""
OURS = ("kleverserve: ", "klever: ")
"""How the lines begin with which our model servers say why they end, and the deployer why it ended one."""
EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Failure)\b(?::.*)?")
"""The last line of a traceback of Python; of Java and others, their first."""


def explained(lines: Sequence[str]) -> str:
    """The cause, and then the log's last lines: what every start in vain says again is said once."""
    distinct = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not distinct:
        return "its log is empty"
    said = _cause(distinct)
    if said is None:
        return f"its log ends with: {' | '.join(distinct[-SHOWN:])}"
    rest = [line for line in distinct[-SHOWN:] if line != said]
    return f"{_plain(said)}; its log ends with: {' | '.join(rest)}" if rest else _plain(said)


def _cause(lines: Sequence[str]) -> str | None:
    """The last line that says why it ended, by what is known to say so; None where none does."""
    for says_why in (_is_ours, _is_logged_error, _is_exception):
        for line in reversed(lines):
            if says_why(line):
                return line
    return None


def _is_ours(line: str) -> bool:
    return line.startswith(OURS)


def _is_logged_error(line: str) -> bool:
    return _logged(line).get("level") in {"error", "critical"}


def _is_exception(line: str) -> bool:
    return EXCEPTION.fullmatch(line) is not None


def _logged(line: str) -> dict[str, object]:
    """A line of a log in JSON; nothing of other lines."""
    try:
        found = json.loads(line) if line.startswith("{") else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(line: str) -> str:
    """The words of a line, without what marks it."""
    for mark in OURS:
        line = line.removeprefix(mark)
    return str(_logged(line).get("event", line))
