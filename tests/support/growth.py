"""The growth of a call's CPU time with its input, as a ratio, which does not depend on the machine."""

import time
from collections.abc import Callable

TRIES = 3


def growth(call: Callable[[int], object], size: int, times: int = 4) -> float:
    """Return the ratio of CPU times for an input that is larger by this factor; the best of several attempts."""
    return _cost(call, size * times) / _cost(call, size)


def _cost(call: Callable[[int], object], size: int) -> float:
    return min(_once(call, size) for _ in range(TRIES))


def _once(call: Callable[[int], object], size: int) -> float:
    begin = time.process_time_ns()
    call(size)
    return max(1, time.process_time_ns() - begin)
