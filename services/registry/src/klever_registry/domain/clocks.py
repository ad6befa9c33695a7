"""Time that clock steps do not change."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta


class SteadyClock:
    """The time of day when the process started, and what has passed since.

    Ages are judged by it. When the system's clock is set forward by a day, nothing is a day older; files that are
    written afterwards seem to come from the future, and are kept for a day longer.

    Args:
        wall: gives the time of day, once.
        monotonic: gives seconds from an unknown start.
    """

    def __init__(self, wall: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._start, self._began, self._monotonic = wall(), monotonic(), monotonic

    def __call__(self) -> datetime:
        """The present."""
        return self._start + timedelta(seconds=self._monotonic() - self._began)
