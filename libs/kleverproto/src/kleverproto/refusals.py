"""Reasons to reject a request."""

from typing import NamedTuple


class Refusal(NamedTuple):
    """The reason to reject a request."""

    code: str
    """One of `codes`."""
    message: str
    """The problem and its remedy, as a sentence."""
