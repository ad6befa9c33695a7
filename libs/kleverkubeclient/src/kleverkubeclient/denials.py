"""Requests that the API server has denied, because the service's account lacks a permission."""

import time
from collections.abc import Callable

REPEATED_SECONDS = 60.0
"""A request that is still needed is repeated within this time; after it, a denial is not reported any more."""


class Denials:
    """The denied requests that are still needed.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._denied: dict[str, tuple[float, str]] = {}

    def note(self, request: str, message: str) -> None:
        """A request was denied."""
        self._denied[request] = (self._clock(), message)

    def forget(self, request: str) -> None:
        """A request was not denied."""
        self._denied.pop(request, None)

    def problem(self) -> str | None:
        """The messages of the server, which name the permissions; None if nothing is denied."""
        now = self._clock()
        self._denied = {name: each for name, each in self._denied.items() if now - each[0] < REPEATED_SECONDS}
        return "; ".join(sorted({message for _, message in self._denied.values()})) or None
