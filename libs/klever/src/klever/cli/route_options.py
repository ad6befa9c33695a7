"""Options for the routes among the Kubernetes objects of a serving."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

import click

from kleverroutes.kubernetes.options import (
    DEFAULT_GATEWAY,
    EXTENSION_PATTERN,
    GATEWAY_PATTERN,
    RouteKind,
    RouteOptions,
)

from .forms import Form
from .ignored_options import EXTENSIONS, ROUTES, refuse_options

NONE: Literal["none"] = "none"
KINDS = ("istio", "gateway-api", NONE)
Command = Callable[..., None]


EXTENSION = Form(EXTENSION_PATTERN, "group/kind/name")
OPTIONS = (
    click.option(
        "--routes",
        type=click.Choice(KINDS),
        default="istio",
        show_default=True,
        help="Kubernetes objects: routes as VirtualServices and DestinationRules, as HTTPRoutes, or none.",
    ),
    click.option(
        "--gateway",
        type=Form(GATEWAY_PATTERN, "namespace/name"),
        metavar="NAMESPACE/NAME",
        default=DEFAULT_GATEWAY,
        show_default=True,
        help="Routes: Gateway object by which requests enter the cluster.",
    ),
    click.option(
        "--sticky-extension",
        type=EXTENSION,
        metavar="GROUP/KIND/NAME",
        help="HTTPRoutes: filter of the gateway that keeps clients at a version.",
    ),
    click.option(
        "--retries-extension",
        type=EXTENSION,
        metavar="GROUP/KIND/NAME",
        help="HTTPRoutes: filter of the gateway that retries requests.",
    ),
)


def route_options(command: Command) -> Command:
    """Add the options; the command gets them as `routes`, a RouteOptions, or None for no routes."""

    @wraps(command)
    def run_command(
        *args: Any,
        routes: RouteKind | Literal["none"],
        gateway: str,
        sticky_extension: str | None,
        retries_extension: str | None,
        **rest: Any,
    ) -> None:
        if routes == NONE:
            refuse_options(ROUTES, "not used with --routes none")
            command(*args, routes=None, **rest)
            return
        if routes == "istio":
            refuse_options(EXTENSIONS, "requires --routes gateway-api")
        options = RouteOptions(routes, gateway, sticky_extension, retries_extension)
        command(*args, routes=options, **rest)

    decorated: Command = run_command
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated
