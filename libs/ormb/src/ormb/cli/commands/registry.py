"""copy, attach, discover: between registries, and what refers to a model."""

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
    help="Copy what refers to the model too: signatures, SBOMs, whatever was attached.",
)
@shared_options
def copy_model(source: Reference, target: Reference, *, with_referrers: bool, **options: Any) -> None:
    """Copy a model from one registry to another; within one, its files are mounted where the registry can.

    \b
    ormb copy localhost:5000/library/mymodel:v1 registry.example.com/team/mymodel:v1
    ormb copy --no-referrers localhost:5000/library/mymodel:v1 registry.example.com/team/mymodel:v1
    """
    chosen = Options(**options)

    async def call(client: "OrmbClient") -> "ModelInfo":
        with progress("copying", quiet=chosen.as_json) as watcher:
            return await client.copy(source, target, watcher, with_referrers=with_referrers)

    info = run(chosen, call)
    if chosen.as_json:
        print_json(facts(info))
    else:
        print_summary(info)
        click.echo(f"{target.tag or target.name}: copied")


@cli.command()
@REFERENCE
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--type", "artifact_type", required=True, help="What it is, such as application/vnd.example.sbom.")
@click.option("--annotation", "annotations", multiple=True, metavar="KEY=VALUE", help="Said of it; any number.")
@shared_options
def attach(
    reference: Reference, files: tuple[Path, ...], artifact_type: str, annotations: tuple[str, ...], **options: Any
) -> None:
    """Push files as an artifact about a model; the model itself does not change.

    \b
    ormb attach localhost:5000/library/mymodel:v1 report.html --type application/vnd.example.evaluation
    """
    chosen = Options(**options)
    said = dict(_pair(text) for text in annotations)
    digest = run(chosen, lambda client: client.attach(reference, files, artifact_type, said))
    if chosen.as_json:
        print_json({"digest": digest})
    else:
        click.echo(f"{digest}: attached to {reference}")


@cli.command()
@REFERENCE
@click.option("--type", "artifact_type", help="Only artifacts of this type.")
@shared_options
def discover(reference: Reference, artifact_type: str | None, **options: Any) -> None:
    """List what refers to a model: signatures, reports, whatever was attached.

    \b
    ormb discover localhost:5000/library/mymodel:v1
    """
    chosen = Options(**options)
    found = run(chosen, lambda client: client.discover(reference, artifact_type))
    if chosen.as_json:
        print_json(found)
    elif not found:
        click.echo(f"nothing refers to {reference}")
    for one in () if chosen.as_json else found:
        click.echo(f"{one.digest}  {one.artifact_type}")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r}: write KEY=VALUE", param_hint="--annotation")
    return key, value
