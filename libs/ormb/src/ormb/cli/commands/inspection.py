"""The command `inspect`: details of a model in a directory, in the local store or in a registry."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ormb.cli.app import Options, ReferenceType, cli, errors_as_lines, run, shared_options
from ormb.cli.output import facts, print_summary
from ormb.console.printing import human_size, print_json, print_table
from ormb.reference import Reference

if TYPE_CHECKING:
    from ormb.client import OrmbClient
    from ormb.info import ModelInfo
    from ormb.inspecting import Inspection


class ModelType(click.ParamType[Path | Reference]):
    """A command-line argument with the path of a directory, or with the reference of a model in a registry."""

    name = "directory or reference"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | Reference:
        """Return a path if the argument is written as one or names a directory, else a reference."""
        text = str(value)
        if Path(text).is_dir() or text.startswith((".", "/", "~")):
            return Path(text).expanduser()
        return ReferenceType().convert(value, param, ctx)


@cli.command()
@click.argument("model", type=ModelType())
@click.option("--local", is_flag=True, help="Use the local store instead of the registry.")
@click.option("--parse", is_flag=True, help="Pull the model as well, and show its signature.")
@shared_options
def inspect(model: Path | Reference, *, local: bool, parse: bool, **options: Any) -> None:
    """Show details of a model: format, signature and scan of a directory; metadata, layers and digests of an artifact.

    Only the manifest of an artifact is pulled, unless --parse is given.

    \b
    ormb inspect ./mymodel
    ormb inspect localhost:5000/library/mymodel:v1
    ormb inspect --parse --json localhost:5000/library/mymodel:v1
    """
    settings = Options(**options)
    if isinstance(model, Path):
        _show_directory(model, as_json=settings.as_json)
        return

    async def call(client: "OrmbClient") -> tuple["ModelInfo", "Inspection | None"]:
        info = client.stored(model) if local else await client.inspect(model)
        return info, await _parsed(client, model, local=local) if parse else None

    info, inspection = run(settings, call)
    if settings.as_json:
        print_json(
            facts(info) | (inspection.model_dump(mode="json", exclude={"directory", "size"}) if inspection else {})
        )
        return
    print_summary(info.with_format(inspection.format if inspection else None))
    _show_layers(info)
    if inspection:
        _show_found(inspection)


async def _parsed(client: "OrmbClient", model: Reference, *, local: bool) -> "Inspection":
    from ormb.inspecting import inspect_directory  # noqa: PLC0415 - loads the parsers

    with tempfile.TemporaryDirectory(prefix="ormb-inspect-") as directory:
        exported = Path(directory) / "model"
        if not local:
            await client.pull_and_export(model, exported)
        else:
            await client.export(model, exported)
        return inspect_directory(exported)


def _show_directory(directory: Path, *, as_json: bool) -> None:
    from ormb.inspecting import inspect_directory  # noqa: PLC0415 - loads the parsers

    with errors_as_lines():
        inspection = inspect_directory(directory)
    if as_json:
        print_json(inspection.model_dump(mode="json"))
        return
    click.echo(f"directory: {inspection.directory}")
    click.echo(f"size:      {human_size(inspection.size)}")
    click.echo(f"format:    {inspection.format or 'unknown'}")
    _show_found(inspection)


def _show_found(inspection: "Inspection") -> None:
    from ormb.console.descriptions import describe_scan, describe_signature  # noqa: PLC0415 - loads the contract

    if inspection.signature:
        click.echo("signature:")
        for line in describe_signature(inspection.signature):
            click.echo(line)
    for line in describe_scan(inspection.scan):
        click.echo(line)
    for warning in inspection.warnings:
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    if inspection.problem:
        raise click.ClickException(f"{inspection.problem.code}: {inspection.problem.message}")


def _show_layers(info: "ModelInfo") -> None:
    rows = [(layer.path or "", human_size(layer.size), layer.media_type) for layer in info.manifest.layers]
    print_table([("FILE", "SIZE", "MEDIA TYPE"), *rows])
