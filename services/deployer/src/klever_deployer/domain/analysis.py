"""How a new version does, from what the ingress counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from kleverproto.rollouts import Measurement
from kleverproto.strategies import Analysis


@dataclass(frozen=True)
class Counts:
    """Of one backend since Envoy knows it: only differences mean something."""

    requests: int = 0
    errors: int = 0
    """Answers of 5xx; a request that got none is answered 503 or 504 by the ingress itself."""
    latencies: tuple[tuple[float, int], ...] = ()
    """Upper end of a bucket (ms) to requests that took at most so long, growing."""
    active: int = 0
    """Requests in flight now; the only one that means something by itself."""


def difference(before: Counts, after: Counts) -> Counts:
    """What was counted between two looks; `after` itself where the counters began again."""
    if after.requests < before.requests:
        return after
    earlier = dict(before.latencies)
    return Counts(
        requests=after.requests - before.requests,
        active=after.active,
        errors=max(0, after.errors - before.errors),
        latencies=tuple((upper, count - earlier.get(upper, 0)) for upper, count in after.latencies),
    )


def total(counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    found = list(counts)
    buckets: dict[float, int] = {}
    for each in found:
        for upper, count in each.latencies:
            buckets[upper] = buckets.get(upper, 0) + count
    return Counts(
        requests=sum(counts.requests for counts in found),
        active=sum(counts.active for counts in found),
        errors=sum(counts.errors for counts in found),
        latencies=tuple(sorted(buckets.items())),
    )


def measurement(counts: Counts) -> Measurement:
    """What people are told of the counts."""
    percent = 100.0 * counts.errors / counts.requests if counts.requests else 0.0
    return Measurement(
        requests=counts.requests,
        error_percent=round(percent, 3),
        p95_ms=_quantile(counts.latencies, 0.95),
        p99_ms=_quantile(counts.latencies, 0.99),
    )


class Verdict(Enum):
    """What follows for the step."""

    GO_ON = "go on"
    WAIT = "wait"
    ROLL_BACK = "roll back"


def judge(measured: Measurement, limits: Analysis, *, interval_is_over: bool) -> tuple[Verdict, str]:
    """Whether the new version may have more traffic, and why or why not.

    A version that does badly is not tried until the end of its interval.
    """
    if measured.requests < limits.min_requests:
        return Verdict.WAIT, f"{measured.requests} of {limits.min_requests} requests that an analysis needs"
    if problem := _exceeded(measured, limits):
        return Verdict.ROLL_BACK, problem
    if not interval_is_over:
        return Verdict.WAIT, f"doing well over {measured.requests} requests"
    return Verdict.GO_ON, f"did well over {measured.requests} requests"


def _exceeded(measured: Measurement, limits: Analysis) -> str | None:
    if measured.error_percent > limits.max_error_percent:
        return (
            f"{measured.error_percent:g} % of {measured.requests} requests failed, and no more than "
            f"{limits.max_error_percent:g} % may"
        )
    for name, found, most in (
        ("p95", measured.p95_ms, limits.max_p95_ms),
        ("p99", measured.p99_ms, limits.max_p99_ms),
    ):
        if most is not None and found is not None and found > most:
            return f"the {name} of {measured.requests} requests is {found:g} ms, and no more than {most:g} ms may be"
    return None


def _quantile(latencies: tuple[tuple[float, int], ...], share: float) -> float | None:
    """Upper end of the bucket that holds the quantile; None without requests."""
    if not latencies or not latencies[-1][1]:
        return None
    needed = share * latencies[-1][1]
    return next(upper for upper, count in latencies if count >= needed)
