"""One serving in depth."""

from klever.observability.panels import Dashboard, Panel, PanelKind, Query, Row, Unit

OF_SERVING = 'namespace="$namespace", serving="$serving"'
AT_INGRESS = 'klever_namespace="$namespace", klever_serving="$serving"'
VERSION = "klever_variant, klever_revision"
LEGEND = "{{variant}} {{revision}}"
ENVOY_LEGEND = "{{klever_variant}} {{klever_revision}}"


def _rate(counter: str) -> str:
    return f"rate(envoy_cluster_upstream_{counter}{{{AT_INGRESS}}}[$__rate_interval])"


def _latency(share: float) -> Query:
    expression = f"histogram_quantile({share}, sum by (le, {VERSION}) ({_rate('rq_time_bucket')}))"
    return Query(expression, f"p{share * 100:g} {ENVOY_LEGEND}", "there were no predictions in the window")


STATE = Row(
    "State",
    (
        Panel(
            "Phase",
            (Query(f"max by (phase) (klever_serving_phase{{{OF_SERVING}}})", "{{phase}}"),),
            "The present phase.",
            kind=PanelKind.FIGURE,
        ),
        Panel(
            "Replicas",
            (
                Query(
                    f"max by (variant, revision) (klever_serving_replicas_desired{{{OF_SERVING}}})", f"desired {LEGEND}"
                ),
                Query(f"max by (variant, revision) (klever_serving_replicas_ready{{{OF_SERVING}}})", f"ready {LEGEND}"),
            ),
            "Desired and ready replicas of each version.",
        ),
        Panel(
            "Traffic weights",
            (Query(f"max by (variant, revision) (klever_serving_traffic_weight_ratio{{{OF_SERVING}}})", LEGEND),),
            "The configured shares of the traffic.",
            Unit.RATIO,
        ),
        Panel(
            "Measured shares",
            (
                Query(
                    f"sum by ({VERSION}) ({_rate('rq_xx')}) / ignoring ({VERSION}) group_left sum({_rate('rq_xx')})",
                    ENVOY_LEGEND,
                ),
            ),
            "The shares of the traffic that versions have received. They differ from the weights if rules route.",
            Unit.RATIO,
        ),
        Panel(
            "Restarts",
            (Query(f"max by (variant, revision) (klever_serving_restarts{{{OF_SERVING}}})", LEGEND),),
            "Unexpected exits of replicas. `klever logs` shows their last lines.",
        ),
    ),
)
REQUESTS = Row(
    "Requests",
    (
        Panel(
            "Requests by status",
            (
                Query(
                    f"sum by (envoy_response_code_class) ({_rate('rq_xx')})",
                    "{{envoy_response_code_class}}xx",
                ),
            ),
            "Requests per second by class of the status.",
            Unit.REQUESTS_PER_SECOND,
        ),
        Panel(
            "Latency",
            tuple(map(_latency, (0.5, 0.95, 0.99))),
            "Time of the model servers to respond, by version.",
            Unit.MILLISECONDS,
        ),
        Panel(
            "Requests in progress",
            (Query(f"sum by ({VERSION}) (envoy_cluster_upstream_rq_active{{{AT_INGRESS}}})", ENVOY_LEGEND),),
            "Autoscaling compares this number with its target.",
        ),
        Panel(
            "Connection failures and timeouts",
            (
                Query(
                    f"sum by ({VERSION}) ({_rate('cx_connect_fail')})",
                    f"failed connections {ENVOY_LEGEND}",
                ),
                Query(
                    f"sum by ({VERSION}) ({_rate('rq_timeout')})",
                    f"timeouts {ENVOY_LEGEND}",
                ),
            ),
            "Normally 0.",
            Unit.PER_SECOND,
        ),
        Panel(
            "Healthy endpoints",
            (Query(f"sum by ({VERSION}) (envoy_cluster_membership_healthy{{{AT_INGRESS}}})", ENVOY_LEGEND),),
            "Endpoints to which Envoy sends requests.",
        ),
    ),
)

DASHBOARD = Dashboard(
    "klever-serving",
    "Klever / One serving",
    (STATE, REQUESTS),
    {
        "namespace": "label_values(klever_serving_phase, namespace)",
        "serving": 'label_values(klever_serving_phase{namespace="$namespace"}, serving)',
    },
)
