"""Names and labels of request metrics: Istio's standard metrics, and Envoy's statistics of clusters; pure."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum


class Part(Enum):
    """Meaning of a counter."""

    REQUESTS = "requests"
    ERRORS = "errors"
    LATENCIES = "latencies"


@dataclass(frozen=True)
class MetricNames:
    """The metrics of a proxy.

    Attributes:
        requests: counter of requests.
        errors: counter of requests by status.
        status: label of `errors`.
        server_errors: regular expression of the statuses that are errors.
        latencies: histogram of milliseconds.
        destination: label with the Service that a request was sent to.
        destination_format: format of the values of this label; `{host}` and `{port}` are replaced.
        in_flight: expression for the requests in flight; `{selector}` and `{window}` are replaced.
        labels: labels of all these metrics.
    """

    requests: str
    errors: str
    status: str
    server_errors: str
    latencies: str
    destination: str
    destination_format: str
    in_flight: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def part(self, labels: Mapping[str, str]) -> list[Part]:
        """Return the meanings of a series; Istio counts requests and errors in one metric."""
        name = labels.get("__name__")
        if name == f"{self.latencies}_bucket":
            return [Part.LATENCIES]
        is_error = name == self.errors and re.fullmatch(self.server_errors, labels.get(self.status, ""))
        return [*([Part.REQUESTS] if name == self.requests else []), *([Part.ERRORS] if is_error else [])]

    def counters(self, selector: str, window: int) -> str:
        """Expression for the samples of all counters in the last seconds."""
        names = "|".join(dict.fromkeys((self.requests, self.errors, f"{self.latencies}_bucket")))
        return f'{{__name__=~"{names}",{selector}}}[{window}s]'

    def active(self, selector: str, window: int) -> str:
        """Expression for the requests in flight, by destination, on average over the last seconds."""
        return self.in_flight.format(selector=selector, window=window)

    def destinations(self, host: str, ports: Iterable[int]) -> list[str]:
        """The values of the label of the destination that name a Service."""
        return list(dict.fromkeys(self.destination_format.format(host=host, port=port) for port in ports))

    def selector(self, extra: Mapping[str, str], destinations: Collection[str] = ()) -> str:
        """Matchers of labels, without braces.

        Args:
            extra: further labels.
            destinations: values of the label of the destination; any if empty.
        """
        matchers = [f"{name}={json.dumps(value)}" for name, value in {**self.labels, **extra}.items()]
        if destinations:
            values = "|".join(re.escape(each) for each in sorted(destinations))
            matchers.append(f"{self.destination}=~{json.dumps(values)}")
        return ",".join(matchers)


ISTIO = MetricNames(
    requests="istio_requests_total",
    errors="istio_requests_total",
    status="response_code",
    server_errors="5..",
    latencies="istio_request_duration_milliseconds",
    destination="destination_service",
    destination_format="{host}",
    # By Little's law: the seconds that requests took in one second are those that were in flight on average.
    in_flight="sum by (destination_service)"
    " (rate(istio_request_duration_milliseconds_sum{{{selector}}}[{window}s])) / 1000",
    labels={"reporter": "source"},
)
"""https://istio.io/latest/docs/reference/config/metrics/, as the proxy that sends a request reports them."""
ENVOY = MetricNames(
    requests="envoy_cluster_upstream_rq_completed",
    errors="envoy_cluster_upstream_rq",
    status="response_code_class",
    server_errors="5xx",
    latencies="envoy_cluster_upstream_rq_time",
    destination="cluster_name",
    destination_format="outbound|{port}||{host}",
    in_flight="sum by (cluster_name) (avg_over_time(envoy_cluster_upstream_rq_active{{{selector}}}[{window}s]))",
)
"""Envoy's statistics with the labels that the bootstrap of Istio's proxies extracts from their names."""
