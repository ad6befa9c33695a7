"""Prometheus metrics of inference requests; other requests are not counted."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector, generate_latest

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one model in their own registry."""

    def __init__(self, *, model: str, version: str, in_flight: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        names, values = ("model", "version"), (model, version)
        self._requests = Counter(
            "kleverserve_infer_requests",
            "Completed inference requests by HTTP status code.",
            (*names, "code"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "kleverserve_infer_duration_seconds",
            "Time from the headers of a request to its response.",
            names,
            registry=self._registry,
            buckets=BUCKETS,
        ).labels(*values)
        gauge = Gauge(
            "kleverserve_infer_in_flight",
            "Inference requests in progress.",
            names,
            registry=self._registry,
        )
        gauge.labels(*values).set_function(in_flight)
        self._rows = Histogram(
            "kleverserve_infer_batch_rows",
            "Rows of one run of the model, which may serve several requests.",
            names,
            registry=self._registry,
            buckets=ROWS,
        ).labels(*values)
        self._labels = values
        self._by_code: dict[int, Counter] = {}  # `labels` is too slow for every request

    def observe(self, *, code: int, seconds: float) -> None:
        """Record a completed inference request."""
        if code not in self._by_code:
            self._by_code[code] = self._requests.labels(*self._labels, str(code))
        self._by_code[code].inc()
        self._seconds.observe(seconds)

    def observe_rows(self, rows: int) -> None:
        """Record one run of the model."""
        self._rows.observe(rows)

    def families(self) -> Iterable[Metric]:
        """Return all metrics with their samples."""
        return self._registry.collect()

    def text(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self._registry)
