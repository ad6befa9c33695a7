"""Parses JSON from untrusted sources within limits of size, depth and number of values."""

import json
import re
from typing import Any, Final

MOST_BYTES: Final = 4 * 1024 * 1024
MOST_DEPTH: Final = 64
MOST_VALUES: Final = 250_000
"""Maximum number of values in all arrays and objects, which need some 25 MiB of memory."""
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A string up to its end, or up to the end of the text.

There is only one way to match it, so that the time is linear.
"""
_NO_BRACKET = re.compile(r"[^][{}]++")


def load_json(content: bytes | str, *, most_bytes: int = MOST_BYTES) -> Any:
    """Parse a JSON text (RFC 8259) in UTF-8.

    Args:
        content: the text.
        most_bytes: maximum size.

    Raises:
        ValueError: it is not JSON, or exceeds a limit; the message names the limit.
    """
    if len(content) > most_bytes:
        raise ValueError(f"it has {len(content)} bytes, more than {most_bytes}")
    text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    _check_shape(text)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error


_TOO_DEEP = f"it is nested more than {MOST_DEPTH} levels deep"


def _check_shape(text: str) -> None:
    """Check the limits.

    Brackets and commas in strings are counted as well at first, since a low count is sufficient.
    """
    if _opened(text) <= MOST_DEPTH and _opened(text) + text.count(",") <= MOST_VALUES:
        return
    plain = _STRING.sub("", text)
    if _opened(plain) + plain.count(",") > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES} values")
    depth = 0
    for bracket in _NO_BRACKET.sub("", plain):
        depth += 1 if bracket in "[{" else -1
        if depth > MOST_DEPTH:
            raise ValueError(_TOO_DEEP)


def _opened(text: str) -> int:
    return text.count("[") + text.count("{")
