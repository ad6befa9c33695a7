"""Dry runs: the Kubernetes objects that a command would lead to, as YAML or JSON."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
import yaml

from ormb.console.printing import print_json

from .app import call
from .serving_requests import SendRequest

if TYPE_CHECKING:
    from klever.client import KleverClient
    from kleverkube.backends import ClusterBackend

Command = Callable[..., None]
BACKENDS = ("plain", "seldon", "kserve")
YAML_WIDTH = 120


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """How objects are rendered and printed.

    Attributes:
        backend: how the cluster runs versions.
        output: `yaml` or `json`.
        plain_http: whether pods pull models by http.
        registry_secret: name of the Secret with the credentials of the registry.
    """

    backend: "ClusterBackend"
    output: str
    plain_http: bool
    registry_secret: str


def dry_run_options(command: Command) -> Command:
    """Add the options of a dry run; the command gets them as `dry_run`, a DryRun, or None without `--dry-run`."""

    @wraps(command)
    def run_command(
        *args: Any,
        dry_run: bool,
        backend: "ClusterBackend",
        output: str,
        plain_http: bool,
        registry_secret: str,
        **rest: Any,
    ) -> None:
        options = DryRun(backend=backend, output=output, plain_http=plain_http, registry_secret=registry_secret)
        command(*args, dry_run=options if dry_run else None, **rest)

    options = (
        click.option("--dry-run", is_flag=True, help="Print the Kubernetes objects, and deploy nothing."),
        click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", help="Of a dry run."),
        click.option(
            "--backend",
            type=click.Choice(BACKENDS),
            default="plain",
            show_default=True,
            help="Dry run: Deployments, SeldonDeployments of Seldon Core, or InferenceServices of KServe.",
        ),
        click.option("--plain-http", is_flag=True, help="Dry run: pods pull models by http."),
        click.option(
            "--registry-secret",
            default="klever-registry",
            show_default=True,
            help="Dry run: Secret with username and password of the registry.",
        ),
    )
    decorated: Command = run_command
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def print_objects(server: str | None, dry_run: DryRun, send: SendRequest) -> None:
    """Print the objects of the serving that `send` returns; it must not request anything."""
    from klever.cluster_previews import preview  # noqa: PLC0415 - only a dry run renders
    from kleverkube.options import ClusterOptions  # noqa: PLC0415 - as above

    options = ClusterOptions(plain_http=dry_run.plain_http, registry_secret=dry_run.registry_secret)

    async def render(client: "KleverClient") -> list[dict[str, Any]]:
        serving = await send(client)
        return await preview(client, serving, dry_run.backend, options)

    objects = call(server, render)
    if dry_run.output == "json":
        print_json({"apiVersion": "v1", "kind": "List", "items": objects})
        return
    click.echo(yaml.safe_dump_all(objects, sort_keys=False, width=YAML_WIDTH), nl=False)
