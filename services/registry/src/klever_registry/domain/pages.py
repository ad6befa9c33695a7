"""Pagination of lists of tags and repositories (distribution-spec, listing tags)."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from klever_registry.errors import PageInvalidError

LONGEST_NUMBER = 18
"""Maximum number of digits in a page size."""


@dataclass(frozen=True)
class Page:
    """A page of a sorted list."""

    items: tuple[str, ...]
    next_query: str | None
    """Query of the next page; None on the last one."""


def parse_limit(text: str | None) -> int | None:
    """Parse the query parameter `n`. Raises PageInvalidError."""
    if text is None:
        return None
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise PageInvalidError(
            f"n must be a number of entries, not {text[:LONGEST_NUMBER]!r}", detail={"n": text[:LONGEST_NUMBER]}
        )
    return int(text)


def page(items: Sequence[str], *, limit: int | None, last: str | None) -> Page:
    """Return at most `limit` of the sorted items after `last`."""
    rest = [item for item in items if last is None or item > last]
    if limit is None or limit >= len(rest):
        return Page(tuple(rest), None)
    chosen = tuple(rest[:limit])
    return Page(chosen, urlencode({"n": limit, "last": chosen[-1]}) if chosen else None)
