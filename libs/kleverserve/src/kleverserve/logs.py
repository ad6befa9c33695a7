"""Logs as JSON objects on standard output, one per line, with limited length and without data of clients."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson
from typing_extensions import override

LONGEST = 2000
"""Maximum number of characters of a message."""
MOST_CAUSES, MOST_FRAMES = 4, 12


class JsonFormatter(logging.Formatter):
    """Formats `timestamp`, `level`, `event`, and the fields in `extra={"facts": {…}}`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "event": f"{record.getMessage():.{LONGEST}}",
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = _places(record.exc_info[1])
        return orjson.dumps(line, default=str).decode()


def _places(error: BaseException | None) -> list[str]:
    """Return type and location of an error and its causes, without messages, which may repeat input."""
    lines: list[str] = []
    for _ in range(MOST_CAUSES):
        if error is None:
            break
        frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
        lines += [type(error).__name__, *(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)]
        error = error.__cause__ or error.__context__
    return lines


def configure_logging() -> None:
    """Send all logs of this process to standard output; called once, from `__main__`."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
