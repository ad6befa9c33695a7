"""Jobs."""

from klever.observability.panels import Dashboard, Panel, PanelKind, Query, Row, Unit, quantile

RUN, QUEUE = "klever_job_run_duration_seconds", "klever_job_queue_duration_seconds"

NOW = Row(
    "Now",
    (
        Panel(
            "Unfinished jobs",
            (Query("max by (kind, phase) (klever_jobs_unfinished)", "{{kind}} {{phase}}"),),
            "Pending jobs wait for a slot, a worker or space on the disk.",
        ),
        Panel(
            "Jobs by phase",
            (Query("max by (kind, phase) (klever_jobs)", "{{kind}} {{phase}}"),),
            "All jobs in the bucket.",
        ),
        Panel(
            "Jobs that cannot be read",
            (Query("max(klever_jobrunner_unreadable_jobs)"),),
            "Normally 0; see the runbook of KleverJobsUnreadable.",
            kind=PanelKind.FIGURE,
        ),
    ),
)
DURATIONS = Row(
    "Durations",
    (
        Panel(
            "Time in the queue",
            (Query(quantile(0.95, QUEUE, "kind"), "{{kind}} p95"), Query(quantile(0.5, QUEUE, "kind"), "{{kind}} p50")),
            "Time from the creation of a job to its first attempt. If it grows, add jobrunners.",
            Unit.SECONDS,
        ),
        Panel(
            "Time to pull, scan and parse",
            tuple(
                Query(quantile(share, RUN, where='kind="extract"'), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)
            ),
            "Duration of attempts at extractions.",
            Unit.SECONDS,
        ),
        Panel(
            "Duration of attempts (p95)",
            (Query(quantile(0.95, RUN, "kind"), "{{kind}}"),),
            "Conversions take minutes if their toolchain must be installed first.",
            Unit.SECONDS,
        ),
        Panel(
            "Attempts by result",
            (Query(f"sum by (kind, result) (rate({RUN}_count[$__rate_interval]))", "{{kind}} {{result}}"),),
            "failure: because of the model. error: retried, such as a registry that does not respond.",
            Unit.PER_SECOND,
        ),
    ),
)

DASHBOARD = Dashboard("klever-jobs", "Klever / Jobs", (NOW, DURATIONS))
