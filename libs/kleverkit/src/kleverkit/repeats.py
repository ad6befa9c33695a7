"""Keeps a log readable while the same problem happens again and again."""

import time
from collections.abc import Callable, Hashable

REMEMBERED = 100
"""Problems that are known at a time; with more of them the oldest counts as new again."""


class Repeats:
    """Says when a problem is worth a line: at once when it is a new one, then once in a while.

    Args:
        seconds: between two lines about the same problem.
        clock: monotonic seconds.
    """

    def __init__(self, seconds: float = 60.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._logged: dict[Hashable, float] = {}

    def is_new(self, problem: Hashable) -> bool:
        """Whether to log the problem now."""
        now = self._clock()
        if now < self._logged.get(problem, float("-inf")) + self._seconds:
            return False
        self._logged.pop(problem, None)
        self._logged[problem] = now
        while len(self._logged) > REMEMBERED:
            del self._logged[next(iter(self._logged))]
        return True
