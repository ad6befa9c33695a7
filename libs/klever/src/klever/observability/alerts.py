"""Alerts. Each has a section in docs/runbooks.md."""

from dataclasses import dataclass
from enum import StrEnum

from .slos import AVAILABILITY, LATENCY, PUSH, Objective


class Severity(StrEnum):
    """Urgency of an alert."""

    PAGE = "page"
    """Act now: users are affected, or will be soon."""
    TICKET = "ticket"
    """Act within days."""


@dataclass(frozen=True)
class Alert:
    """An alert that fires if its expression has results for some time.

    Attributes:
        name: the name, and the title of its runbook.
        expression: PromQL; each result is an alert.
        hold: the time for which there must be a result.
        severity: urgency.
        summary: a sentence with the labels of the result.
    """

    name: str
    expression: str
    hold: str
    severity: Severity
    summary: str


PAGE, TICKET = Severity.PAGE, Severity.TICKET
API = "http_server_request_duration_seconds_count"
SERVING, VERSION = "namespace, serving", "namespace, serving, variant, revision"


def _burn(name: str, metric: str, objective: Objective, what: str) -> tuple[Alert, ...]:
    """Alerts for error budgets of 30 days, with two windows each (Google SRE workbook, chapter 5).

    A fast burn uses 2 % of the budget in an hour, a slow one 10 % in three days.
    """

    def above(factor: float, long: str, short: str) -> str:
        limit = f"{factor * objective.budget:g}"
        return f"{metric}:ratio_rate{long} > {limit} and {metric}:ratio_rate{short} > {limit}"

    fast, slow = min(14.4, 0.9 / objective.budget), 1.0
    return (
        Alert(f"{name}Fast", above(fast, "1h", "5m"), "2m", PAGE, f"{what}: 2 % of a month's error budget in an hour"),
        Alert(
            f"{name}Slow", above(slow, "3d", "6h"), "1h", TICKET, f"{what}: 10 % of a month's error budget in 3 days"
        ),
    )


SERVICES = (
    Alert(
        "KleverServiceDown",
        'up{job=~"klever.*"} == 0',
        "2m",
        PAGE,
        "{{ $labels.job }} at {{ $labels.instance }} cannot be scraped",
    ),
    Alert(
        "KleverServiceNotReady",
        "klever_health_check == 0",
        "5m",
        PAGE,
        "{{ $labels.job }}: the check {{ $labels.check }} of /readyz fails",
    ),
    Alert(
        "KleverNatsDisconnected",
        "klever_nats_connected == 0",
        "1m",
        PAGE,
        "{{ $labels.job }} is not connected to NATS",
    ),
    Alert(
        "KleverNoLeader",
        "max by (name) (klever_lease_held) == 0",
        "1m",
        PAGE,
        "no replica of {{ $labels.name }} holds the lease",
    ),
    Alert(
        "KleverPermissionViolations",
        "sum by (job) (increase(klever_nats_permission_violations_total[15m])) > 0",
        "0m",
        TICKET,
        "NATS refused requests of {{ $labels.job }}",
    ),
    Alert(
        "KleverApiErrors",
        f'sum(rate({API}{{job="klever-gateway", http_response_status_code=~"5.."}}[5m]))'
        f' / sum(rate({API}{{job="klever-gateway"}}[5m])) > 0.05',
        "10m",
        PAGE,
        "more than 5 % of the gateway's responses have a 5xx status",
    ),
)
EVENTS = (
    Alert(
        "KleverEventsWaiting",
        'max by (consumer) (klever_consumer_oldest_message_age_seconds{consumer!~"jobrunner-(convert|scan|extract).*"})'
        " > 300",
        "5m",
        PAGE,
        "an event of {{ $labels.consumer }} waits for more than 5 minutes",
    ),
    Alert(
        "KleverBacklog",
        "max by (consumer) (klever_consumer_pending_messages) > 1000",
        "10m",
        TICKET,
        "{{ $value }} events wait for {{ $labels.consumer }}",
    ),
    Alert(
        "KleverDeadLetters",
        'sum by (consumer) (increase(klever_event_outcomes_total{outcome="dead_lettered"}[15m])) > 0',
        "0m",
        TICKET,
        "{{ $labels.consumer }} gave up an event",
    ),
    Alert(
        "KleverHandlersFailing",
        'sum by (consumer) (rate(klever_event_outcomes_total{outcome="redelivered"}[10m]))'
        " / sum by (consumer) (rate(klever_event_outcomes_total[10m])) > 0.5",
        "10m",
        TICKET,
        "more than half of the deliveries to {{ $labels.consumer }} fail",
    ),
)
MODELS = (
    Alert(
        "KleverRegistryAlarm",
        "max by (name) (klever_registry_alarm) == 1",
        "5m",
        TICKET,
        "the registry has raised the alarm {{ $labels.name }}",
    ),
    Alert(
        "KleverRegistryDiskFull",
        "min(klever_registry_free_bytes) / (max(klever_registry_stored_bytes) + min(klever_registry_free_bytes)) < 0.1"
        " and min(klever_registry_free_bytes) < 20e9",
        "10m",
        PAGE,
        "less than 10 % of the space for models is free",
    ),
    Alert(
        "KleverJobsWaiting",
        'max by (kind) (klever_jobs_unfinished{phase="Pending"}) > 0'
        ' and max by (kind) (klever_jobs_unfinished{phase="Running"}) == 0',
        "15m",
        PAGE,
        "jobs of kind {{ $labels.kind }} wait, and none runs",
    ),
    Alert(
        "KleverJobErrors",
        'sum by (kind) (increase(klever_job_run_duration_seconds_count{result="error"}[30m])) > 5',
        "0m",
        TICKET,
        "attempts at jobs of kind {{ $labels.kind }} fail because of the platform, not of the model",
    ),
    Alert(
        "KleverJobsUnreadable",
        "max(klever_jobrunner_unreadable_jobs) > 0",
        "5m",
        TICKET,
        "{{ $value }} documents of jobs cannot be read",
    ),
)
SERVINGS = (
    Alert(
        "KleverServingFailed",
        'max by (namespace, serving) (klever_serving_phase{phase="Failed"}) == 1',
        "5m",
        TICKET,
        "the last change of {{ $labels.namespace }}/{{ $labels.serving }} could not be applied",
    ),
    Alert(
        "KleverServingUnavailable",
        f"sum by ({SERVING}) (max by ({VERSION}) (klever_serving_replicas_desired)) > 0"
        f" and sum by ({SERVING}) (max by ({VERSION}) (klever_serving_replicas_ready)) == 0",
        "5m",
        PAGE,
        "no replica of {{ $labels.namespace }}/{{ $labels.serving }} is ready",
    ),
    Alert(
        "KleverServingProgressing",
        'max by (namespace, serving) (klever_serving_phase{phase="Progressing"}) == 1',
        "1h",
        TICKET,
        "{{ $labels.namespace }}/{{ $labels.serving }} is Progressing for an hour",
    ),
    Alert(
        "KleverServingRestarting",
        f"sum by ({SERVING}) (max by ({VERSION}) (delta(klever_serving_restarts[15m]))) > 3",
        "0m",
        TICKET,
        "model servers of {{ $labels.namespace }}/{{ $labels.serving }} exit repeatedly",
    ),
    Alert(
        "KleverReconcileErrors",
        'sum(rate(klever_deployer_reconcile_duration_seconds_count{result="error"}[10m])) > 0',
        "15m",
        TICKET,
        "the deployer cannot converge a serving",
    ),
    Alert(
        "KleverServingsUnexplained",
        "max(klever_deployer_unexplained_servings) > 0",
        "5m",
        TICKET,
        "{{ $value }} servings run without a document",
    ),
    Alert(
        "KleverServingsRestored",
        "max(klever_deployer_restored_servings) > 0",
        "1m",
        TICKET,
        "{{ $value }} servings were lost from their bucket and restored",
    ),
)
SERVICE_LEVELS = (
    *_burn("KleverPredictionErrors", "klever:prediction_errors", AVAILABILITY, "predictions fail"),
    *_burn("KleverPredictionLatency", "klever:prediction_slow", LATENCY, "predictions are slow"),
    *_burn("KleverPushLatency", "klever:push_slow", PUSH, "pushed versions are servable late"),
)

ALERTS = {
    "klever-services": SERVICES,
    "klever-events": EVENTS,
    "klever-models": MODELS,
    "klever-servings": SERVINGS,
    "klever-service-levels": SERVICE_LEVELS,
}
"""Alerts by the name of their group."""
