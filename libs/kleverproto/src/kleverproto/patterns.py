"""Regular expressions that people write for the ingress, whose engine is RE2."""

import re

_NOT_IN_RE2 = re.compile(r"\(\?(?:[=!]|<[=!]|>|\()|\\[1-9]|[*+?}]\+")
"""Look-around, atomic groups, conditions, back-references, possessive quantifiers."""


def checked_regex(pattern: str) -> str:
    """The pattern itself. Raises ValueError where it is none, or needs what RE2 has not."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if found := _NOT_IN_RE2.search(pattern):
        raise ValueError(f"{found[0]!r} is not part of RE2, the syntax of the ingress")
    return pattern
