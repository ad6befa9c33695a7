"""inspect: what a model is, in a directory, in the store or in a registry."""

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
    """An argument that is a directory, where there is one of that name, or names a model in a registry."""

    name = "directory or reference"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | Reference:
        """A path if it leads to a directory, or is written as one."""
        text = str(value)
        if Path(text).is_dir() or text.startswith((".", "/", "~")):
            return Path(text).expanduser()
        return ReferenceType().convert(value, param, ctx)


@cli.command()
@click.argument("model", type=ModelType())
@click.option("--local", is_flag=True, help="Look into the local store, not the registry.")
@click.option("--parse", is_flag=True, help="Pull the model too, and show its signature.")
@shared_options
def inspect(model: Path | Reference, *, local: bool, parse: bool, **options: Any) -> None:
    """Show what a model is: format, signature and scan of a directory; metadata, layers and digests of an artifact.

    Of an artifact nothing but the manifest is fetched, unless --parse asks for the rest.

    \b
    ormb inspect ./mymodel
    ormb inspect localhost:5000/library/mymodel:v1
    ormb inspect --parse --json localhost:5000/library/mymodel:v1
    """
    chosen = Options(**options)
    if isinstance(model, Path):
        _show_directory(model, as_json=chosen.as_json)
        return

    async def call(client: "OrmbClient") -> tuple["ModelInfo", "Inspection | None"]:
        info = client.stored(model) if local else await client.inspect(model)
        return info, await _parsed(client, model, local=local) if parse else None

    info, found = run(chosen, call)
    if chosen.as_json:
        print_json(facts(info) | (found.model_dump(mode="json", exclude={"directory", "size"}) if found else {}))
        return
    print_summary(info.with_format(found.format if found else None))
    _show_layers(info)
    if found:
        _show_found(found)


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
        found = inspect_directory(directory)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    click.echo(f"directory: {found.directory}")
    click.echo(f"size:      {human_size(found.size)}")
    click.echo(f"format:    {found.format or 'unknown'}")
    _show_found(found)


def _show_found(found: "Inspection") -> None:
    from ormb.console.descriptions import describe_scan, describe_signature  # noqa: PLC0415 - loads the contract

    if found.signature:
        click.echo("signature:")
        for line in describe_signature(found.signature):
            click.echo(line)
    for line in describe_scan(found.scan):
        click.echo(line)
    for warning in found.warnings:
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    if found.problem:
        raise click.ClickException(f"{found.problem.code}: {found.problem.message}")


def _show_layers(info: "ModelInfo") -> None:
    rows = [(layer.path or "", human_size(layer.size), layer.media_type) for layer in info.manifest.layers]
    print_table([("FILE", "SIZE", "MEDIA TYPE"), *rows])
