"""Generates deploy/observability, and the configuration of Prometheus for Docker Compose, from klever.observability."""

from pathlib import Path

from klever.observability import grafana, prometheus
from klever.observability.boards import DASHBOARDS

DIRECTORY = Path("deploy/observability")
COMPOSE_TARGETS = {
    "topology": "topology:9101",
    "registry": "registry:5000",
    "jobrunner": "jobrunner:9102",
    "deployer": "deployer:9103",
    "gateway": "gateway:8080",
}
"""Addresses in docker-compose.yaml, by service."""
COMPOSE_FILES = Path("/credentials/token"), Path("/etc/prometheus/klever.rules.yml")
"""Paths of the token and the rules in the container of Prometheus."""


def files() -> dict[Path, str]:
    """The rules and the dashboards, by path from the root."""
    dashboards = {
        DIRECTORY / "grafana" / f"{dashboard.name}.json": grafana.document(dashboard) for dashboard in DASHBOARDS
    }
    token, rules = COMPOSE_FILES
    return {
        DIRECTORY / "prometheus" / "klever.rules.yml": prometheus.rules(),
        Path("deploy/compose/prometheus.yml"): prometheus.configuration(
            COMPOSE_TARGETS, token, rules, has_ingress=True
        ),
        **dashboards,
    }
