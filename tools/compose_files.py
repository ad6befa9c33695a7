"""Generates the configuration of Prometheus for docker-compose.yaml."""

from pathlib import Path

from klever.observability import prometheus

TARGETS = {
    "topology": "topology:9101",
    "registry": "registry:5000",
    "jobrunner": "jobrunner:9102",
    "deployer": "deployer:9103",
    "gateway": "gateway:8080",
}
"""Addresses of the containers, by service."""
TOKEN, RULES = Path("/credentials/token"), Path("/etc/prometheus/klever.rules.yml")
"""Paths in the container of Prometheus."""


def files() -> dict[Path, str]:
    """The file, by its path from the root."""
    return {Path("deploy/compose/prometheus.yml"): prometheus.configuration(TARGETS, TOKEN, RULES, has_ingress=True)}
