"""The reason why a model server exited, from the last lines of its log; pure."""

import json
import re
from collections.abc import Sequence

SHOWN = 5
"""Number of log lines that are shown after the cause."""
OURS = ("kleverserve: ", "klever: ")
"""Prefixes of the lines in which our model servers state why they exit, and the deployer why it stopped one."""
EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Failure)\b(?::.*)?")
"""Matches the last line of a Python traceback, and the first line of one of Java and others."""


def explain_exit(lines: Sequence[str]) -> str:
    """The reason, followed by the log's last lines; lines that each failed start repeats appear once."""
    distinct = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not distinct:
        return "its log is empty"
    cause = _cause(distinct)
    if cause is None:
        return f"its log ends with: {' | '.join(distinct[-SHOWN:])}"
    rest = [line for line in distinct[-SHOWN:] if line != cause]
    return f"{_text(cause)}; its log ends with: {' | '.join(rest)}" if rest else _text(cause)


def _cause(lines: Sequence[str]) -> str | None:
    """The last line that states a reason; None if there is none."""
    for states_reason in (_is_ours, _is_logged_error, _is_exception):
        for line in reversed(lines):
            if states_reason(line):
                return line
    return None


def _is_ours(line: str) -> bool:
    return line.startswith(OURS)


def _is_logged_error(line: str) -> bool:
    return _logged(line).get("level") in {"error", "critical"}


def _is_exception(line: str) -> bool:
    return EXCEPTION.fullmatch(line) is not None


def _logged(line: str) -> dict[str, object]:
    """The entry of a log line in JSON; empty for other lines."""
    try:
        entry = json.loads(line) if line.startswith("{") else {}
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _text(line: str) -> str:
    """The text of a line, without its prefix or JSON."""
    for mark in OURS:
        line = line.removeprefix(mark)
    return str(_logged(line).get("event", line))
