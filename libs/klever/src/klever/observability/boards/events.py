"""Events and JetStream."""

from klever.observability.panels import Dashboard, Panel, PanelKind, Query, Row, Unit, quantile

DURATION = "messaging_process_duration_seconds"
OUTCOMES = "klever_event_outcomes_total"
CONSUMER = "messaging_consumer_group_name"

CONSUMERS = Row(
    "Consumers",
    (
        Panel(
            "Events that wait",
            (Query("max by (consumer) (klever_consumer_pending_messages)", "{{consumer}}"),),
            "Events that were not delivered yet; normally near 0. They grow while a service is down or slow.",
        ),
        Panel(
            "Events in progress",
            (Query("max by (consumer) (klever_consumer_unacknowledged_messages)", "{{consumer}}"),),
            "Events that are being handled, or wait for a redelivery. Requests for conversions wait here for a slot.",
        ),
        Panel(
            "Age of the oldest event",
            (Query("max by (consumer) (klever_consumer_oldest_message_age_seconds)", "{{consumer}}"),),
            "Seconds since the oldest unhandled event was published.",
            Unit.SECONDS,
        ),
        Panel(
            "Deliveries by outcome",
            (Query(f"sum by (outcome) (rate({OUTCOMES}[$__rate_interval]))", "{{outcome}}"),),
            "redelivered: a handler failed and the event is retried. dead_lettered: an event was given up.",
            Unit.PER_SECOND,
        ),
        Panel(
            "Handler duration (p95)",
            (
                Query(
                    quantile(0.95, DURATION, CONSUMER),
                    "{{messaging_consumer_group_name}}",
                ),
            ),
            "Handlers of jobs wait until the job has ended.",
            Unit.SECONDS,
        ),
        Panel(
            "Handler errors",
            (
                Query(
                    f'sum by ({CONSUMER}, error_type) (rate({DURATION}_count{{error_type!=""}}[$__rate_interval]))',
                    "{{messaging_consumer_group_name}} {{error_type}}",
                    "no handler has failed",
                ),
            ),
            "Errors of handlers by type.",
            Unit.PER_SECOND,
        ),
        Panel(
            "Dead letters (1 h)",
            (Query(f'sum by (consumer) (increase({OUTCOMES}{{outcome="dead_lettered"}}[1h]))', "{{consumer}}"),),
            "Events that were given up in the last hour; they are in the stream KLEVER_DEAD.",
            kind=PanelKind.FIGURE,
        ),
    ),
)
STREAMS = Row(
    "JetStream",
    (
        Panel(
            "Published events",
            (Query("sum by (type) (rate(klever_events_published_total[$__rate_interval]))", "{{type}}"),),
            "Events that services publish, by type.",
            Unit.PER_SECOND,
        ),
        Panel(
            "Messages in streams and buckets",
            (Query("max by (stream) (klever_stream_messages)", "{{stream}}"),),
            "Streams drop events after their retention time; see docs/events.md.",
        ),
        Panel(
            "Size of streams and buckets",
            (Query("max by (stream) (klever_stream_bytes)", "{{stream}}"),),
            "The store of nats-server must have room for these.",
            Unit.BYTES,
        ),
        Panel(
            "Connections to NATS",
            (Query("klever_nats_connected", "{{job}} {{instance}}"),),
            "1 while the service is connected.",
            Unit.YES_NO,
            PanelKind.FIGURE,
        ),
        Panel(
            "Refused requests (1 h)",
            (Query("sum by (job) (increase(klever_nats_permission_violations_total[1h]))", "{{job}}"),),
            "Requests that the credentials of a service do not permit; normally 0.",
            kind=PanelKind.FIGURE,
        ),
    ),
)

DASHBOARD = Dashboard("klever-events", "Klever / Events and JetStream", (CONSUMERS, STREAMS))
