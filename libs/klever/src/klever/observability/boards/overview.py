"""The overview: service levels, and whether everything runs."""

from klever.observability.panels import Dashboard, Panel, PanelKind, Query, Row, Unit
from klever.observability.slos import AVAILABILITY, LATENCY, PUSH

NO_TRAFFIC = "there were no predictions in the window"
NO_PUSH = "nothing was pushed in the window"

SERVICE_LEVELS = Row(
    "Service levels",
    (
        Panel(
            "Prediction availability",
            (Query("1 - klever:prediction_errors:ratio_rate1h", "1 h", NO_TRAFFIC),),
            f"Predictions that were answered without a 5xx status. Objective: {AVAILABILITY.objective:.1%}.",
            Unit.RATIO,
            PanelKind.FIGURE,
        ),
        Panel(
            "Fast predictions",
            (Query("1 - klever:prediction_slow:ratio_rate1h", "1 h", NO_TRAFFIC),),
            f"Predictions that took at most {LATENCY.threshold} s. Objective: {LATENCY.objective:.0%}.",
            Unit.RATIO,
            PanelKind.FIGURE,
        ),
        Panel(
            "Fast pushes",
            (Query("1 - klever:push_slow:ratio_rate1h", "1 h", NO_PUSH),),
            f"Pushes that were servable within {PUSH.threshold} s. Objective: {PUSH.objective:.0%}.",
            Unit.RATIO,
            PanelKind.FIGURE,
        ),
        Panel(
            "Error budget burn rate",
            tuple(
                Query(f"klever:prediction_errors:ratio_rate{window} / {AVAILABILITY.budget:g}", window, NO_TRAFFIC)
                for window in ("5m", "1h", "6h")
            ),
            "1 uses exactly the error budget of 30 days; above 14.4 for an hour, KleverPredictionErrorsFast fires.",
        ),
        Panel(
            "Prediction latency",
            tuple(
                Query(f"klever:prediction_latency_milliseconds:p{share}_5m", f"p{share}", NO_TRAFFIC)
                for share in ("50", "95", "99")
            ),
            "Latency at the ingress, over all servings.",
            Unit.MILLISECONDS,
        ),
        Panel(
            "Predictions",
            (Query("klever:prediction_requests:rate5m", "{{envoy_response_code_class}}xx"),),
            "Requests per second at the ingress, by class of the status.",
            Unit.REQUESTS_PER_SECOND,
        ),
    ),
)
STATE = Row(
    "State",
    (
        Panel(
            "Services down",
            (Query('count(up{job=~"klever.*"} == 0) or vector(0)'),),
            "Targets that Prometheus cannot scrape; normally 0.",
            kind=PanelKind.FIGURE,
        ),
        Panel(
            "Failed readiness checks",
            (Query("sum by (job, check) (klever_health_check == 0)", "{{job}} {{check}}", "every check passes"),),
            "Checks of /readyz that fail. See the runbook of KleverServiceNotReady.",
            kind=PanelKind.TABLE,
        ),
        Panel(
            "Alerts that fire",
            (Query('ALERTS{alertstate="firing"}', "{{alertname}}", "no alert fires"),),
            "Each has a section in docs/runbooks.md.",
            kind=PanelKind.TABLE,
        ),
        Panel(
            "Leaders",
            (Query("max by (name) (klever_lease_held)", "{{name}}"),),
            "1 while a replica holds the lease of the service; 0 means that nothing is reconciled.",
            Unit.YES_NO,
            PanelKind.FIGURE,
        ),
        Panel(
            "Models",
            (Query("max by (extraction) (klever_models)", "{{extraction}}"),),
            "Model versions by phase of their extraction.",
        ),
        Panel(
            "Servings",
            (Query("max by (phase) (klever_servings)", "{{phase}}"),),
            "Servings by phase.",
        ),
        Panel(
            "Memory",
            (Query("process_resident_memory_bytes", "{{job}} {{instance}}"),),
            "Memory of each service. A steady increase under constant load is a fault.",
            Unit.BYTES,
        ),
        Panel(
            "CPU",
            (Query("rate(process_cpu_seconds_total[$__rate_interval])", "{{job}} {{instance}}"),),
            "Cores that each service uses.",
        ),
    ),
)

DASHBOARD = Dashboard("klever-overview", "Klever / Overview", (SERVICE_LEVELS, STATE))
