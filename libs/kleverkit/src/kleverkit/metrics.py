"""Creates the metrics of the table in `kleverproto.metrics`."""

from collections.abc import Mapping

from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from kleverproto.metrics import MetricSpec

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each counter, which nothing reads


def counter(spec: MetricSpec, registry: CollectorRegistry) -> Counter:
    """Create a counter."""
    return Counter(spec.name, spec.help, spec.labels, registry=registry)


def gauge(spec: MetricSpec, registry: CollectorRegistry) -> Gauge:
    """Create a gauge."""
    return Gauge(spec.name, spec.help, spec.labels, registry=registry)


def histogram(spec: MetricSpec, registry: CollectorRegistry) -> Histogram:
    """Create a histogram with the boundaries of the table."""
    return Histogram(spec.name, spec.help, spec.labels, registry=registry, buckets=spec.boundaries)


def observe(measured: Histogram, value: float) -> None:
    """Record a value, with the id of the present trace as an exemplar."""
    span = trace.get_current_span().get_span_context()
    is_traced = span.is_valid and span.trace_flags.sampled
    measured.observe(value, {"trace_id": trace.format_trace_id(span.trace_id)} if is_traced else None)


def replace_samples(measured: Gauge, values: Mapping[tuple[str, ...], float]) -> None:
    """Replace all samples of a gauge, by the values of its labels; a sample that is missing is removed."""
    measured.clear()
    for labels, value in values.items():
        measured.labels(*labels).set(value)
