"""Kubernetes objects that a command would lead to: options, and their output as YAML or JSON."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
import yaml

from kleverproto.servings import ServingDocument
from kleverroutes.kubernetes.options import RouteOptions
from ormb.console.printing import print_json

from .app import call
from .forms import HOST_AND_PORT
from .route_options import route_options
from .serving_requests import SendRequest

if TYPE_CHECKING:
    from klever.client import KleverClient
    from kleverkube.backends import ClusterBackend
    from kleverkube.manifest import Manifest

Command = Callable[..., None]
BACKENDS = ("plain", "seldon", "kserve")
YAML_WIDTH = 120
POD_REGISTRY = "KLEVER_POD_REGISTRY"
WARNINGS = "klever.warnings"
"""Key in click's context of the warnings that were printed."""


@dataclass(frozen=True, kw_only=True)
class ClusterOutput:
    """Options for rendering the objects of a cluster.

    Attributes:
        backend: kind of objects that run versions on the cluster.
        plain_http: whether pods pull models by http.
        registry_secret: name of the Secret with the credentials of the registry.
        pod_registry: host:port by which pods reach a registry on a loopback address.
        routes: options of the data plane; None for no routes.
    """

    backend: "ClusterBackend"
    plain_http: bool
    registry_secret: str
    pod_registry: str | None
    routes: RouteOptions | None

    async def objects(self, client: "KleverClient", serving: ServingDocument) -> list["Manifest"]:
        """Render the objects of a serving. Raises ApiError, InputError."""
        from klever.cluster_previews import preview  # noqa: PLC0415 - only this renders
        from kleverkube.options import ClusterOptions  # noqa: PLC0415 - as above

        options = ClusterOptions(plain_http=self.plain_http, registry_secret=self.registry_secret)
        return await preview(
            client, serving, self.backend, options, self.routes, pod_registry=self.pod_registry, warn=warn_once
        )


def cluster_options(*, required: bool) -> Callable[[Command], Command]:
    """Add the options of objects; the command gets them as `cluster`, a ClusterOutput.

    Args:
        required: True for a default backend; otherwise the command gets None without `--backend`.
    """

    def decorate(command: Command) -> Command:
        @route_options
        @wraps(command)
        def run_command(
            *args: Any,
            backend: "ClusterBackend | None",
            plain_http: bool,
            registry_secret: str,
            pod_registry: str | None,
            routes: RouteOptions | None,
            **rest: Any,
        ) -> None:
            output = backend and ClusterOutput(
                backend=backend,
                plain_http=plain_http,
                registry_secret=registry_secret,
                pod_registry=pod_registry,
                routes=routes,
            )
            command(*args, cluster=output, **rest)

        decorated: Command = run_command
        for option in reversed(_options(BACKENDS[0] if required else None)):
            decorated = option(decorated)
        return decorated

    return decorate


def _options(backend: str | None) -> tuple[Callable[[Command], Command], ...]:
    return (
        click.option(
            "--backend",
            type=click.Choice(BACKENDS),
            default=backend,
            show_default=backend is not None,
            help="Kubernetes objects: Deployments, SeldonDeployments of Seldon Core, or InferenceServices of KServe.",
        ),
        click.option("--plain-http", is_flag=True, help="Kubernetes objects: pods pull models by http."),
        click.option(
            "--registry-secret",
            default="klever-registry",
            show_default=True,
            help="Kubernetes objects: Secret with username and password of the registry.",
        ),
        click.option(
            "--pod-registry",
            type=HOST_AND_PORT,
            metavar=HOST_AND_PORT.name,
            envvar=POD_REGISTRY,
            help="Kubernetes objects: address by which pods reach a registry on a loopback address, by http.",
        ),
    )


def dry_run_options(command: Command) -> Command:
    """Add the options of a dry run; the command gets `dry_run`, `output` and `cluster`, a ClusterOutput."""
    options = (
        click.option("--dry-run", is_flag=True, help="Print the Kubernetes objects, and deploy nothing."),
        click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", help="Of a dry run."),
        cluster_options(required=True),
    )
    for option in reversed(options):
        command = option(command)
    return command


def warn_once(message: str) -> None:
    """Print a warning on standard error, unless the command has printed it."""
    printed: set[str] = click.get_current_context().meta.setdefault(WARNINGS, set())
    if message not in printed:
        printed.add(message)
        click.echo(f"Warning: {message}", err=True)


def print_objects(server: str | None, cluster: ClusterOutput, output: str, send: SendRequest) -> None:
    """Print the objects of the serving that `send` returns; it must not request anything."""

    async def render(client: "KleverClient") -> list["Manifest"]:
        return await cluster.objects(client, await send(client))

    objects = call(server, render)
    if output == "json":
        print_json({"apiVersion": "v1", "kind": "List", "items": objects})
        return
    click.echo(yaml.safe_dump_all(objects, sort_keys=False, width=YAML_WIDTH), nl=False)
