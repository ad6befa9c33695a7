"""Registry and transfers."""

from klever.observability.panels import Dashboard, Panel, PanelKind, Query, Row, Unit, quantile

HTTP = 'job="klever-registry", http_route=~"/v2.*"'
REQUESTS = "http_server_request_duration_seconds"

TRANSFERS = Row(
    "Transfers",
    (
        Panel(
            "Transferred bytes",
            (
                Query(
                    "sum by (direction) (rate(klever_registry_transfer_bytes_total[$__rate_interval]))", "{{direction}}"
                ),
            ),
            "Bytes of blobs that clients push and pull.",
            Unit.BYTES_PER_SECOND,
        ),
        Panel(
            "Requests by status",
            (
                Query(
                    f"sum by (http_response_status_code) (rate({REQUESTS}_count{{{HTTP}}}[$__rate_interval]))",
                    "{{http_response_status_code}}",
                ),
            ),
            "401 is normal before a login, 404 for a blob that a push looks for.",
            Unit.REQUESTS_PER_SECOND,
        ),
        Panel(
            "Latency by route (p95)",
            (
                Query(
                    quantile(0.95, REQUESTS, "http_request_method, http_route", HTTP),
                    "{{http_request_method}} {{http_route}}",
                ),
            ),
            "Requests with blobs take as long as their transfer.",
            Unit.SECONDS,
        ),
        Panel(
            "Push to servable",
            tuple(
                Query(quantile(share, "klever_push_to_servable_seconds"), f"p{share * 100:g}") for share in (0.5, 0.95)
            ),
            "Time from a push until the version is parsed, over all results.",
            Unit.SECONDS,
        ),
        Panel(
            "Parsed pushes (1 h)",
            (Query("sum by (result) (increase(klever_push_to_servable_seconds_count[1h]))", "{{result}}"),),
            "Pushes by result of their parsing. The documents of failed versions have the reason.",
            kind=PanelKind.FIGURE,
        ),
    ),
)
STORAGE = Row(
    "Storage and catalogue",
    (
        Panel(
            "Stored and free bytes",
            (
                Query("max(klever_registry_stored_bytes)", "stored"),
                Query("min(klever_registry_free_bytes)", "free"),
            ),
            "If the disk is full, pushes fail with 507, and pulls work.",
            Unit.BYTES,
        ),
        Panel(
            "Model versions",
            (Query("max by (extraction) (klever_models)", "{{extraction}}"),),
            "Versions by phase of their extraction.",
        ),
        Panel(
            "Alarms",
            (Query("max by (name) (klever_registry_alarm)", "{{name}}"),),
            "1 while the alarm is raised; see the runbook of KleverRegistryAlarm.",
            Unit.YES_NO,
            PanelKind.FIGURE,
        ),
    ),
)

DASHBOARD = Dashboard("klever-registry", "Klever / Registry and transfers", (TRANSFERS, STORAGE))
