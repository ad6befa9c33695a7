"""Waiting for conditions in processes of the cluster, which have no event loop."""

import time
from collections.abc import Callable

SECONDS_BETWEEN_POLLS = 0.05


def wait_until(condition: Callable[[], object], within: float) -> bool:
    """Polls until the condition is true. Returns whether it became true in time.

    Args:
        condition: called at least once.
        within: seconds; infinity is allowed.
    """
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(SECONDS_BETWEEN_POLLS)
    return True
