"""All servings, and their rollouts."""

from klever.observability.panels import Dashboard, Panel, PanelKind, Query, Row, Unit, quantile

SERVING = "klever_namespace, klever_serving"
NO_TRAFFIC = "there were no predictions in the window"

STATE = Row(
    "State",
    (
        Panel(
            "Servings by phase",
            (Query("max by (phase) (klever_servings)", "{{phase}}"),),
            "Failed: the last change could not be applied, and the earlier version keeps serving.",
        ),
        Panel(
            "Servings that are not Ready",
            (
                Query(
                    'max by (namespace, serving, phase) (klever_serving_phase{phase!="Ready"})',
                    "{{namespace}}/{{serving}} {{phase}}",
                    "all servings are Ready",
                ),
            ),
            "`klever get NAME` shows the problem.",
            kind=PanelKind.TABLE,
        ),
        Panel(
            "Missing replicas",
            (
                Query(
                    "sum by (namespace, serving) (max by (namespace, serving, variant, revision) "
                    "(klever_serving_replicas_desired - klever_serving_replicas_ready))",
                    "{{namespace}}/{{serving}}",
                ),
            ),
            "Desired replicas that are not ready; normally 0.",
        ),
        Panel(
            "Restarts",
            (
                Query(
                    "sum by (namespace, serving) (max without (instance) (klever_serving_restarts))",
                    "{{namespace}}/{{serving}}",
                ),
            ),
            "Unexpected exits of model servers since the version was applied.",
        ),
        Panel(
            "Rollouts",
            (
                Query(
                    "max by (namespace, serving, phase) (klever_serving_rollout_step)",
                    "{{namespace}}/{{serving}} {{phase}}",
                ),
            ),
            "Number of the present step of the last rollout of each serving, from 1.",
            kind=PanelKind.TABLE,
        ),
        Panel(
            "Reconciliations",
            (
                Query(
                    "sum by (result) (rate(klever_deployer_reconcile_duration_seconds_count[$__rate_interval]))",
                    "{{result}}",
                ),
            ),
            "error: the deployer could not converge a serving, and retries.",
            Unit.PER_SECOND,
        ),
        Panel(
            "Duration of reconciliations (p95)",
            (Query(quantile(0.95, "klever_deployer_reconcile_duration_seconds", "result"), "{{result}}"),),
            "A rollout is one reconciliation, which lasts until the new version is ready or the step is recorded.",
            Unit.SECONDS,
        ),
        Panel(
            "Time to Ready (p95)",
            (
                Query(
                    quantile(0.95, "klever_deployer_rollout_duration_seconds", "strategy", 'result="ready"'),
                    "{{strategy}}",
                ),
            ),
            "Time from the beginning of a rollout until the version is Ready, by strategy. Model servers that start "
            "slowly, and steps of a canary, increase it.",
            Unit.SECONDS,
        ),
        Panel(
            "Unexplained and restored servings",
            (
                Query("max(klever_deployer_unexplained_servings)", "unexplained"),
                Query("max(klever_deployer_restored_servings)", "restored"),
            ),
            "Normally 0; see the runbooks of KleverServingsUnexplained and KleverServingsRestored.",
            kind=PanelKind.FIGURE,
        ),
    ),
)
TRAFFIC = Row(
    "Traffic",
    (
        Panel(
            "Predictions by serving",
            (
                Query(
                    f"sum by ({SERVING}) (rate(envoy_cluster_upstream_rq_xx[$__rate_interval]))",
                    "{{klever_namespace}}/{{klever_serving}}",
                ),
            ),
            "Requests per second that reach model servers.",
            Unit.REQUESTS_PER_SECOND,
        ),
        Panel(
            "Errors by serving",
            (
                Query(
                    f'sum by ({SERVING}) (rate(envoy_cluster_upstream_rq_xx{{envoy_response_code_class="5"}}'
                    "[$__rate_interval]))",
                    "{{klever_namespace}}/{{klever_serving}}",
                    "no request has failed",
                ),
            ),
            "Responses of model servers with a 5xx status.",
            Unit.REQUESTS_PER_SECOND,
        ),
        Panel(
            "Latency by serving (p95)",
            (
                Query(
                    quantile(0.95, "envoy_cluster_upstream_rq_time", SERVING, 'klever_serving!=""'),
                    "{{klever_namespace}}/{{klever_serving}}",
                    NO_TRAFFIC,
                ),
            ),
            "Time of model servers to respond.",
            Unit.MILLISECONDS,
        ),
    ),
)

DASHBOARD = Dashboard("klever-servings", "Klever / Servings and rollouts", (STATE, TRAFFIC))
