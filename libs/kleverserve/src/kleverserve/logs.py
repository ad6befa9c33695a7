"""Log lines as JSON objects on standard output, one each; of bounded length, and without what clients sent."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson
from typing_extensions import override

LONGEST = 2000
"""Characters of a message."""
MOST_CAUSES, MOST_FRAMES = 4, 12


class JsonFormatter(logging.Formatter):
    """`timestamp`, `level`, `event`, and whatever came as `extra={"facts": {…}}`."""

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
    """What was raised where, with its causes; no messages, as those of libraries repeat what they could not take."""
    lines: list[str] = []
    for _ in range(MOST_CAUSES):
        if error is None:
            break
        frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
        lines += [type(error).__name__, *(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)]
        error = error.__cause__ or error.__context__
    return lines


def configure_logging() -> None:
    """Send every log line of this process to standard output; called once, from `__main__`."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
