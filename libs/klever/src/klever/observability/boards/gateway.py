"""The gateway's API."""

from klever.observability.panels import Dashboard, Panel, PanelKind, Query, Row, Unit, quantile

REQUESTS = "http_server_request_duration_seconds"
API = 'job="klever-gateway", http_route!~".*/(events|logs)|/metrics|/readyz|/healthz"'

ROW = Row(
    "API",
    (
        Panel(
            "Requests by status",
            (
                Query(
                    f"sum by (http_response_status_code) (rate({REQUESTS}_count{{{API}}}[$__rate_interval]))",
                    "{{http_response_status_code}}",
                ),
            ),
            "503: NATS does not store requests. 499: the client disconnected before the response.",
            Unit.REQUESTS_PER_SECOND,
        ),
        Panel(
            "Latency by route (p95)",
            (
                Query(
                    quantile(0.95, REQUESTS, "http_request_method, http_route", API),
                    "{{http_request_method}} {{http_route}}",
                ),
            ),
            "Requests with a precondition wait up to three seconds for the deployer's decision.",
            Unit.SECONDS,
        ),
        Panel(
            "Latency of all routes",
            tuple(Query(quantile(share, REQUESTS, where=API), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)),
            "Latency of the API without live events.",
            Unit.SECONDS,
        ),
        Panel(
            "Clients of live events",
            (Query("sum(klever_gateway_event_stream_clients)", "clients"),),
            "Open streams of server-sent events.",
        ),
        Panel(
            "Readiness",
            (Query('min by (check) (klever_health_check{job="klever-gateway"})', "{{check}}"),),
            "1 for each check that passes.",
            Unit.YES_NO,
            PanelKind.FIGURE,
        ),
    ),
)

DASHBOARD = Dashboard("klever-gateway", "Klever / Gateway", (ROW,))
