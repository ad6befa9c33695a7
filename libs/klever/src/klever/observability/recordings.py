"""Recording rules: the service levels over several windows, for burn rates."""

from dataclasses import dataclass

from .slos import LATENCY, PUSH

WINDOWS = ("5m", "30m", "1h", "6h", "3d")
INGRESS = 'envoy_http_conn_manager_prefix="ingress"'
MILLISECONDS = 1000


@dataclass(frozen=True)
class Recording:
    """A metric that Prometheus computes from others."""

    name: str
    expression: str


def recordings() -> tuple[Recording, ...]:
    """All recording rules."""
    requests = f"envoy_http_downstream_rq_xx{{{INGRESS}}}"
    return (
        Recording("klever:prediction_requests:rate5m", f"sum by (envoy_response_code_class) (rate({requests}[5m]))"),
        *(_latency(percent) for percent in (50, 95, 99)),
        *(rule for window in WINDOWS for rule in _ratios(window)),
    )


def _ratios(window: str) -> tuple[Recording, ...]:
    """The shares of bad events. Without events, a share is not a number, and no alert compares it."""
    requests = f"envoy_http_downstream_rq_xx{{{INGRESS}}}"
    errors = f'envoy_http_downstream_rq_xx{{{INGRESS}, envoy_response_code_class="5"}}'
    return (
        Recording(
            f"klever:prediction_errors:ratio_rate{window}",
            f"sum(rate({errors}[{window}])) / sum(rate({requests}[{window}]))",
        ),
        Recording(
            f"klever:prediction_slow:ratio_rate{window}",
            _slow("envoy_http_downstream_rq_time", INGRESS, f"{LATENCY.threshold * MILLISECONDS:g}", window),
        ),
        Recording(
            f"klever:push_slow:ratio_rate{window}",
            _slow("klever_push_to_servable_seconds", "", f"{PUSH.threshold:.1f}", window),
        ),
    )


def _slow(histogram: str, where: str, boundary: str, window: str) -> str:
    """The share of values above a boundary of the histogram's buckets."""
    labels = f'{where}, le="{boundary}"' if where else f'le="{boundary}"'
    fast = f"sum(rate({histogram}_bucket{{{labels}}}[{window}]))"
    return f"1 - {fast} / sum(rate({histogram}_count{{{where}}}[{window}]))"


def _latency(percent: int) -> Recording:
    buckets = f"sum by (le) (rate(envoy_http_downstream_rq_time_bucket{{{INGRESS}}}[5m]))"
    return Recording(
        f"klever:prediction_latency_milliseconds:p{percent}_5m",
        f"histogram_quantile({percent / 100}, {buckets})",
    )
