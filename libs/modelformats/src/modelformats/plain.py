"""Values of foreign files, accepted only if they have the expected type: such files may contain anything."""

from typing import Any

MOST = 2**31
"""No dimension, count or number of classes is as large."""


def text(value: Any) -> str | None:
    """A text that can be shown and sent on, else None."""
    return value if isinstance(value, str) and value.isprintable() else None


def texts(values: Any) -> list[str]:
    """The texts of a list, in order."""
    return [value for value in values if text(value) is not None] if isinstance(values, list) else []


def whole(value: Any) -> int | None:
    """A number of things, written as a number or as text; else None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(MOST)):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST else None


def table(value: Any, *path: str) -> dict[str, Any]:
    """The object at the end of a path of keys; empty when there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """A list; empty when it is none."""
    return value if isinstance(value, list) else []
