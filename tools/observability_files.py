"""Generates deploy/observability from klever.observability."""

from pathlib import Path

from klever.observability import grafana, prometheus
from klever.observability.boards import DASHBOARDS

DIRECTORY = Path("deploy/observability")


def files() -> dict[Path, str]:
    """The rules and the dashboards, by path from the root."""
    dashboards = {
        DIRECTORY / "grafana" / f"{dashboard.name}.json": grafana.document(dashboard) for dashboard in DASHBOARDS
    }
    return {DIRECTORY / "prometheus" / "klever.rules.yml": prometheus.rules(), **dashboards}
