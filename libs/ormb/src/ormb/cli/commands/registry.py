"""The commands `copy`, `attach` and `discover`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ormb.cli.app import Options, ReferenceType, cli, run, shared_options
from ormb.cli.output import facts, print_summary, progress
from ormb.console.printing import print_json
from ormb.reference import Reference

if TYPE_CHECKING:
    from ormb.client import OrmbClient
    from ormb.info import ModelInfo

REFERENCE = click.argument("reference", type=ReferenceType())


@cli.command("copy")
@click.argument("source", type=ReferenceType())
@click.argument("target", type=ReferenceType())
@click.option(
    "--referrers/--no-referrers",
    "with_referrers",
    default=True,
    show_default=True,
    help="Copy the referrers of the model as well: signatures, SBOMs and other attached artifacts.",
)
@shared_options
def copy_model(source: Reference, target: Reference, *, with_referrers: bool, **options: Any) -> None:
    """Copy a model to another registry or repository. Within one registry, blobs are mounted if it supports that.

    \b
    ormb copy localhost:5000/library/mymodel:v1 registry.example.com/team/mymodel:v1
    ormb copy --no-referrers localhost:5000/library/mymodel:v1 registry.example.com/team/mymodel:v1
    """
    settings = Options(**options)

    async def call(client: "OrmbClient") -> "ModelInfo":
        with progress("copying", quiet=settings.as_json) as watcher:
            return await client.copy(source, target, watcher, with_referrers=with_referrers)

    info = run(settings, call)
    if settings.as_json:
        print_json(facts(info))
    else:
        print_summary(info)
        click.echo(f"{target.tag or target.name}: copied")


@cli.command()
@REFERENCE
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--type", "artifact_type", required=True, help="Artifact type, such as application/vnd.example.sbom.")
@click.option(
    "--annotation",
    "annotations",
    multiple=True,
    metavar="KEY=VALUE",
    help="Annotation of the artifact; can be repeated.",
)
@shared_options
def attach(
    reference: Reference, files: tuple[Path, ...], artifact_type: str, annotations: tuple[str, ...], **options: Any
) -> None:
    """Push files as an artifact that refers to a model. The model itself does not change.

    \b
    ormb attach localhost:5000/library/mymodel:v1 report.html --type application/vnd.example.evaluation
    """
    settings = Options(**options)
    pairs = dict(_pair(text) for text in annotations)
    digest = run(settings, lambda client: client.attach(reference, files, artifact_type, pairs))
    if settings.as_json:
        print_json({"digest": digest})
    else:
        click.echo(f"{digest}: attached to {reference}")


@cli.command()
@REFERENCE
@click.option("--type", "artifact_type", help="Only artifacts of this type.")
@shared_options
def discover(reference: Reference, artifact_type: str | None, **options: Any) -> None:
    """List the artifacts that refer to a model: signatures, reports and other attached artifacts.

    \b
    ormb discover localhost:5000/library/mymodel:v1
    """
    settings = Options(**options)
    referrers = run(settings, lambda client: client.discover(reference, artifact_type))
    if settings.as_json:
        print_json(referrers)
    elif not referrers:
        click.echo(f"no referrers of {reference}")
    for referrer in () if settings.as_json else referrers:
        click.echo(f"{referrer.digest}  {referrer.artifact_type}")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r}: write KEY=VALUE", param_hint="--annotation")
    return key, value
