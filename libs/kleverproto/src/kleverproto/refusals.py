"""Why something that was requested is refused."""

from typing import NamedTuple


class Refusal(NamedTuple):
    """A refusal."""

    code: str
    """One of `codes`."""
    message: str
    """What happened and what to do."""
