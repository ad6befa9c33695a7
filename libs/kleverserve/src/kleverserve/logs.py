"""Log lines as JSON objects on standard output, one each."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
from typing_extensions import override


class JsonFormatter(logging.Formatter):
    """`timestamp`, `level`, `event`, and whatever came as `extra={"facts": {…}}`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure_logging() -> None:
    """Send every log line of this process to standard output; called once, from `__main__`."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
