"""Values of foreign files, accepted only if they have the expected type: such files may contain anything."""

from typing import Any

MOST = 2**31
"""No dimension, count or number of classes is as large."""


def text(value: Any) -> str | None:
    """Return a text that can be displayed and transferred, else None."""
    return value if isinstance(value, str) and value.isprintable() else None


def texts(values: Any) -> list[str]:
    """Return the texts of a list, in order."""
    return [value for value in values if text(value) is not None] if isinstance(values, list) else []


def whole(value: Any) -> int | None:
    """Return a non-negative integer from a number or text; else None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(MOST)):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST else None


def table(value: Any, *path: str) -> dict[str, Any]:
    """Return the object at the end of a path of keys; empty if there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """Return a list; empty if the value is not a list."""
    return value if isinstance(value, list) else []
