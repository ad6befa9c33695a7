"""Refuses options that a command would ignore, since they belong to another mode of it."""

from collections.abc import Container

import click
from click.core import ParameterSource

EXTENSIONS = frozenset({"sticky_extension", "retries_extension"})
ROUTES = frozenset({"gateway"}) | EXTENSIONS
CLUSTER = frozenset({"backend", "plain_http", "registry_secret", "pod_registry", "routes"}) | ROUTES
"""Parameters of `dry_runs.cluster_options`; those of routes are in `route_options`."""
VERSION = frozenset({"name", "traffic", "replicas", "runtime", "strategy", "on_push"})
"""Parameters of `version_options.version_options`."""


def refuse_options(parameters: Container[str], reason: str) -> None:
    """Refuse options on the command line.

    Args:
        parameters: names of the parameters.
        reason: the rest of a sentence that starts with the options, such as "requires --dry-run".

    Raises:
        UsageError: one of them is given.
    """
    context = click.get_current_context()
    given = [
        parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name in parameters and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: {reason}")
