"""Obstacles to the start of a Job, and their duration; pure."""

from collections.abc import Iterable
from datetime import datetime

from kleverkube.manifest import Manifest
from kleverkube.reasons import pod_problem


class StartWatch:
    """Measures for how long the same thing prevents a Job from running.

    Args:
        patience: seconds after which it is a failure: a node may be added, and a registry may come back.
    """

    def __init__(self, patience: float) -> None:
        self.reason: str | None = None
        self._patience = patience
        self._since = 0.0

    def note(self, reason: str | None, seconds: float) -> bool:
        """Note the present reason at a monotonic time. Returns whether it is a new one."""
        if (reason is None) != (self.reason is None):
            self._since = seconds
        is_new = reason is not None and reason != self.reason
        self.reason = reason
        return is_new

    def is_over(self, seconds: float) -> bool:
        """Return whether patience has run out."""
        return self.reason is not None and seconds - self._since >= self._patience


def obstacle(pod: Manifest | None, events: Iterable[Manifest], now: datetime) -> str | None:
    """Return the obstacle to a Job's start, as a sentence; None if no obstacle is known.

    Args:
        pod: its pod; None if there is none.
        events: events of the Job, if there is no pod.
        now: the present time.
    """
    if pod is not None:
        return pod_problem(pod, now)
    warnings = [each for each in events if each.get("type") == "Warning"]
    newest = max(warnings, key=_time, default=None)
    reason = f": {newest['message']}" if newest and newest.get("message") else ""
    return f"the cluster has created no pod{reason}"


def _time(event: Manifest) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
