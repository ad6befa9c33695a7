"""The dashboards, one module each."""

from klever.observability.panels import Dashboard

from . import events, gateway, jobs, overview, registry, serving, servings

DASHBOARDS: tuple[Dashboard, ...] = (
    overview.DASHBOARD,
    events.DASHBOARD,
    registry.DASHBOARD,
    jobs.DASHBOARD,
    servings.DASHBOARD,
    serving.DASHBOARD,
    gateway.DASHBOARD,
)
