"""All operations of the API: the table from which the router and the OpenAPI document are made."""

from . import documentation, events, jobs, login, logs, models, platform, policies, serving_changes, servings
from .common.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *platform.OPERATIONS,
    *login.OPERATIONS,
    *models.OPERATIONS,
    *policies.OPERATIONS,
    *jobs.OPERATIONS,
    *logs.OPERATIONS,
    *servings.OPERATIONS,
    *serving_changes.OPERATIONS,
    *events.OPERATIONS,
    *documentation.OPERATIONS,
)
