"""All metrics of Klever, by name; docs/metrics.md is generated from this table (docs/adr/0046).

Names and units follow Prometheus; those of HTTP servers and of handlers follow the semantic conventions of
OpenTelemetry, with `_` for `.`. A label has few values: names that users choose become labels only of servings.
"""

from dataclasses import dataclass
from enum import StrEnum


class MetricKind(StrEnum):
    """Kinds of metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


FAST = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Boundaries in seconds for requests, as OpenTelemetry recommends for `http.server.request.duration`."""
SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""Boundaries in seconds for work on models."""
PREDICTION = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Boundaries in seconds for predictions."""
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Boundaries for the rows of a batch."""


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        name: the name of its samples, without the suffixes of a histogram.
        kind: the kind.
        help: the meaning, as a sentence.
        labels: names of the labels.
        producers: the services that export it; empty for all.
        boundaries: the boundaries of a histogram's buckets.
    """

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        """The unit in the name; empty for a number of things."""
        units = {"seconds", "bytes", "ratio"}
        return next((word for word in reversed(self.name.split("_")) if word in units), "")


def _counter(name: str, about: str, *labels: str, by: tuple[str, ...] = ()) -> MetricSpec:
    return MetricSpec(name, MetricKind.COUNTER, about, labels, by)


def _gauge(name: str, about: str, *labels: str, by: tuple[str, ...] = ()) -> MetricSpec:
    return MetricSpec(name, MetricKind.GAUGE, about, labels, by)


def _histogram(
    name: str, about: str, *labels: str, by: tuple[str, ...] = (), boundaries: tuple[float, ...] = FAST
) -> MetricSpec:
    return MetricSpec(name, MetricKind.HISTOGRAM, about, labels, by, boundaries)


TOPOLOGY, REGISTRY, JOBRUNNER = ("topology",), ("registry",), ("jobrunner",)
DEPLOYER, GATEWAY, MODEL_SERVER = ("deployer",), ("gateway",), ("kleverserve",)

# Every service
HTTP_DURATION = _histogram(
    "http_server_request_duration_seconds",
    "Duration of HTTP requests until the response was complete, by route; 499 is a client that disconnected.",
    *("http_request_method", "http_route", "http_response_status_code"),
)
HANDLER_DURATION = _histogram(
    "messaging_process_duration_seconds",
    "Duration of the handling of events, by consumer; error_type is empty if the handler succeeded.",
    *("messaging_consumer_group_name", "error_type"),
    boundaries=SLOW,
)
EVENT_OUTCOMES = _counter(
    "klever_event_outcomes_total",
    "Deliveries of events by outcome: acknowledged, redelivered after a pause, or dead_lettered.",
    *("consumer", "outcome"),
)
EVENTS_PUBLISHED = _counter(
    "klever_events_published_total",
    "Events that the service published, by type; error_type is empty if NATS has stored the event.",
    *("type", "error_type"),
)
CONSUMER_PENDING = _gauge(
    "klever_consumer_pending_messages", "Events that were not delivered to the consumer yet.", "consumer"
)
CONSUMER_UNACKNOWLEDGED = _gauge(
    "klever_consumer_unacknowledged_messages", "Events that are being handled, or wait for a redelivery.", "consumer"
)
CONSUMER_AGE = _gauge(
    "klever_consumer_oldest_message_age_seconds",
    "Age of the oldest event that the consumer has not handled; 0 if there is none. The topology service has no access "
    "to events, and does not export it.",
    "consumer",
)
HEALTH_CHECK = _gauge("klever_health_check", "1 if the check of `/readyz` passes, otherwise 0.", "check")
NATS_CONNECTED = _gauge("klever_nats_connected", "1 while the service is connected to NATS.")
NATS_VIOLATIONS = _counter("klever_nats_permission_violations_total", "Requests that NATS refused to this service.")
LEASE_HELD = _gauge(
    "klever_lease_held",
    "1 if this replica holds the lease, 0 in a standby.",
    "name",
    by=("registry", "deployer", "gateway"),
)

# Topology
STREAM_MESSAGES = _gauge(
    "klever_stream_messages", "Messages in a stream or bucket of JetStream.", "stream", by=TOPOLOGY
)
STREAM_BYTES = _gauge("klever_stream_bytes", "Size of a stream or bucket of JetStream.", "stream", by=TOPOLOGY)

# Registry
REGISTRY_ALARM = _gauge(
    "klever_registry_alarm", "1 while the alarm is raised; the log has the problem.", "name", by=REGISTRY
)
REGISTRY_TRANSFER = _counter(
    "klever_registry_transfer_bytes_total",
    "Bytes of blobs that the registry has received or sent, by direction.",
    "direction",
    by=REGISTRY,
)
REGISTRY_STORED = _gauge("klever_registry_stored_bytes", "Size of all blobs and uploads on the disk.", by=REGISTRY)
REGISTRY_FREE = _gauge("klever_registry_free_bytes", "Free space on the disk of the registry.", by=REGISTRY)
PUSH_TO_SERVABLE = _histogram(
    "klever_push_to_servable_seconds",
    "Time from a push until the version's signature, or the failure of its parsing, was recorded.",
    "result",
    by=REGISTRY,
    boundaries=SLOW,
)

# Jobrunner
JOBS_UNREADABLE = _gauge(
    "klever_jobrunner_unreadable_jobs",
    "Jobs whose documents cannot be read; they are not changed, and the log contains their keys.",
    by=JOBRUNNER,
)
JOBS_UNFINISHED = _gauge(
    "klever_jobs_unfinished",
    "Jobs in the bucket that are Pending or Running; the same in each jobrunner.",
    *("kind", "phase"),
    by=JOBRUNNER,
)
JOB_QUEUE = _histogram(
    "klever_job_queue_duration_seconds",
    "Time from the creation of a job to its first attempt.",
    "kind",
    by=JOBRUNNER,
    boundaries=SLOW,
)
JOB_RUN = _histogram(
    "klever_job_run_duration_seconds",
    "Duration of attempts at jobs; of kind extract, this is the time to pull, scan and parse a model.",
    *("kind", "result"),
    by=JOBRUNNER,
    boundaries=SLOW,
)

# Deployer
SERVINGS_RESTORED = _gauge(
    "klever_deployer_restored_servings",
    "Servings that were lost from their bucket and restored since the deployer started.",
    by=DEPLOYER,
)
SERVINGS_UNEXPLAINED = _gauge(
    "klever_deployer_unexplained_servings",
    "Servings that run without a document or a tombstone; they are not changed.",
    by=DEPLOYER,
)
RECONCILE_DURATION = _histogram(
    "klever_deployer_reconcile_duration_seconds",
    "Duration of reconciliations of one serving, by result: success, superseded, or error.",
    "result",
    by=DEPLOYER,
    boundaries=SLOW,
)
ROLLOUT_DURATION = _histogram(
    "klever_deployer_rollout_duration_seconds",
    "Time from the beginning of a requested spec's rollout until the serving was Ready, or the rollout failed. After a "
    "retry or a restart of the deployer, only the last attempt counts.",
    *("strategy", "result"),
    by=DEPLOYER,
    boundaries=SLOW,
)

# Gateway
EVENT_STREAMS = _gauge("klever_gateway_event_stream_clients", "Clients that follow live events.", by=GATEWAY)
MODELS = _gauge("klever_models", "Model versions by phase of their extraction.", "extraction", by=GATEWAY)
JOBS = _gauge("klever_jobs", "Jobs by kind and phase.", *("kind", "phase"), by=GATEWAY)
SERVINGS = _gauge("klever_servings", "Servings by phase.", "phase", by=GATEWAY)
SERVING_PHASE = _gauge(
    "klever_serving_phase", "1 for the present phase of a serving.", *("namespace", "serving", "phase"), by=GATEWAY
)
_VARIANT = ("namespace", "serving", "variant", "revision")
REPLICAS_DESIRED = _gauge(
    "klever_serving_replicas_desired", "Desired replicas of a version of a variant.", *_VARIANT, by=GATEWAY
)
REPLICAS_READY = _gauge(
    "klever_serving_replicas_ready", "Ready replicas of a version of a variant.", *_VARIANT, by=GATEWAY
)
RESTARTS = _gauge("klever_serving_restarts", "Unexpected exits of a version's replicas.", *_VARIANT, by=GATEWAY)
TRAFFIC_WEIGHT = _gauge(
    "klever_serving_traffic_weight_ratio", "Share of the traffic that is routed by weight.", *_VARIANT, by=GATEWAY
)
ROLLOUT_STEP = _gauge(
    "klever_serving_rollout_step",
    "Number of the present step of the serving's last rollout, from 1, by phase of the rollout.",
    *("namespace", "serving", "phase"),
    by=GATEWAY,
)

# kleverserve defines its own metrics, because it runs in toolchains; a test compares them with these.
_MODEL = ("model", "version")
INFER_REQUESTS = _counter(
    "kleverserve_infer_requests_total",
    "Completed inference requests by HTTP status code.",
    *(*_MODEL, "code"),
    by=MODEL_SERVER,
)
INFER_DURATION = _histogram(
    "kleverserve_infer_duration_seconds",
    "Time from the headers of a request to its response.",
    *_MODEL,
    by=MODEL_SERVER,
    boundaries=PREDICTION,
)
INFER_IN_FLIGHT = _gauge("kleverserve_infer_in_flight", "Inference requests in progress.", *_MODEL, by=MODEL_SERVER)
INFER_ROWS = _histogram(
    "kleverserve_infer_batch_rows",
    "Rows of one run of the model, which may serve several requests.",
    *_MODEL,
    by=MODEL_SERVER,
    boundaries=ROWS,
)

METRICS = tuple(value for value in tuple(globals().values()) if isinstance(value, MetricSpec))
"""All metrics, in the order of this module."""


def exported_by(service: str) -> tuple[MetricSpec, ...]:
    """Return the metrics of a service."""
    return tuple(spec for spec in METRICS if service in spec.producers or not spec.producers)
