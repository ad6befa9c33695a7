"""How the work of a call grows with its input, as a ratio, so that no machine is too slow for the test."""

import time
from collections.abc import Callable

TRIES = 3


def growth(call: Callable[[int], object], size: int, times: int = 4) -> float:
    """How many times the CPU time of the call is for an input so many times as large; the best of some tries."""
    return _cost(call, size * times) / _cost(call, size)


def _cost(call: Callable[[int], object], size: int) -> float:
    return min(_once(call, size) for _ in range(TRIES))


def _once(call: Callable[[int], object], size: int) -> float:
    begin = time.process_time_ns()
    call(size)
    return max(1, time.process_time_ns() - begin)
