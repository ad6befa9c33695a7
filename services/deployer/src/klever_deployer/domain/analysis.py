"""Decides whether a new version meets its limits, from the counters of the ingress; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from kleverproto.rollouts import Measurement
from kleverproto.strategies import Analysis


class Bucket(NamedTuple):
    """A bucket of a cumulative histogram of latencies."""

    upper_ms: float
    requests: int
    """Number of requests that took at most this long."""


@dataclass(frozen=True)
class Counts:
    """Counters of one version since an arbitrary moment: only differences are meaningful."""

    requests: int = 0
    errors: int = 0
    """Responses with a 5xx status; the ingress itself responds with 503 or 504 if no model server does."""
    latencies: tuple[Bucket, ...] = ()
    """In ascending order."""
    active: float = 0
    """Requests in flight, now or on average over the last moments; not a counter."""
    age: float = 0.0
    """Seconds since the counters were collected; 0 if the proxy itself was asked. Later requests are not included."""


def difference(before: Counts, after: Counts) -> Counts:
    """The increase between two readings; `after` itself if the counters were reset in between."""
    if after.requests < before.requests:
        return after
    earlier = dict(before.latencies)
    return Counts(
        requests=after.requests - before.requests,
        active=after.active,
        age=after.age,
        errors=max(0, after.errors - before.errors),
        latencies=tuple(Bucket(upper, count - earlier.get(upper, 0)) for upper, count in after.latencies),
    )


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of all counters."""
    present = list(counts)
    buckets: dict[float, int] = {}
    for each in present:
        for upper, count in each.latencies:
            buckets[upper] = buckets.get(upper, 0) + count
    return Counts(
        requests=sum(counts.requests for counts in present),
        active=sum(counts.active for counts in present),
        age=max((counts.age for counts in present), default=0.0),
        errors=sum(counts.errors for counts in present),
        latencies=tuple(Bucket(upper, count) for upper, count in sorted(buckets.items())),
    )


def measurement(counts: Counts) -> Measurement:
    """The counters as they are published."""
    percent = 100.0 * counts.errors / counts.requests if counts.requests else 0.0
    return Measurement(
        requests=counts.requests,
        error_percent=round(percent, 3),
        p95_ms=_quantile(counts.latencies, 0.95),
        p99_ms=_quantile(counts.latencies, 0.99),
    )


@dataclass(frozen=True)
class Unmeasured:
    """The counters are not available, so that nothing is judged."""

    reason: str
    """For people."""


class Verdict(Enum):
    """The decision about a step."""

    CONTINUE = "continue"
    WAIT = "wait"
    ROLL_BACK = "roll back"


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason, for people."""

    verdict: Verdict
    reason: str


def judge(measured: Measurement, limits: Analysis, *, interval_is_over: bool) -> Judgement:
    """Decide whether the new version may get more traffic.

    A version that exceeds a limit is rolled back before its interval has passed.
    """
    if measured.requests < limits.min_requests:
        needed = f"{measured.requests} of {limits.min_requests} requests that an analysis needs"
        return Judgement(Verdict.WAIT, needed)
    if problem := _exceeded_limit(measured, limits):
        return Judgement(Verdict.ROLL_BACK, problem)
    verdict = Verdict.CONTINUE if interval_is_over else Verdict.WAIT
    return Judgement(verdict, f"within the limits over {measured.requests} requests")


def _exceeded_limit(measured: Measurement, limits: Analysis) -> str | None:
    if measured.error_percent > limits.max_error_percent:
        return (
            f"{measured.error_percent:g} % of {measured.requests} requests failed, and the limit is "
            f"{limits.max_error_percent:g} %"
        )
    for name, value, limit in (
        ("p95", measured.p95_ms, limits.max_p95_ms),
        ("p99", measured.p99_ms, limits.max_p99_ms),
    ):
        if limit is not None and value is not None and value > limit:
            return f"the {name} of {measured.requests} requests is {value:g} ms, and the limit is {limit:g} ms"
    return None


def _quantile(latencies: tuple[Bucket, ...], share: float) -> float | None:
    """The upper bound of the bucket that contains the quantile; None without requests."""
    if not latencies or not latencies[-1].requests:
        return None
    needed = share * latencies[-1].requests
    return next(upper for upper, count in latencies if count >= needed)
