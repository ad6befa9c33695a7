"""Limits log entries about repeated problems."""

import time
from collections.abc import Callable, Hashable

REMEMBERED = 100
"""Number of problems that are remembered; further ones replace the oldest."""


class Repeats:
    """Decides whether to log a problem: a new one immediately, a repeated one at intervals.

    Args:
        seconds: interval between two entries about the same problem.
        clock: monotonic seconds.
    """

    def __init__(self, seconds: float = 60.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._logged: dict[Hashable, float] = {}

    def is_new(self, problem: Hashable) -> bool:
        """Return whether to log the problem now."""
        now = self._clock()
        if now < self._logged.get(problem, float("-inf")) + self._seconds:
            return False
        self._logged.pop(problem, None)
        self._logged[problem] = now
        while len(self._logged) > REMEMBERED:
            del self._logged[next(iter(self._logged))]
        return True
