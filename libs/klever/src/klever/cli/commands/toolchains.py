"""`klever toolchain`: the toolchains of converters and model servers on this machine."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from klever.cli.app import AS_JSON, cli
from kleverkit.directories import toolchains_directory
from ormb.console.printing import human_size, print_json, print_table

if TYPE_CHECKING:
    from modelconversion.toolchains.store import Toolchain, ToolchainStore

NAME = click.argument("name")
FOLDER = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=toolchains_directory,
    show_default="$KLEVER_TOOLCHAINS, or ~/.cache/klever/toolchains",
    help="Directory of the toolchains.",
)


@cli.group()
def toolchain() -> None:
    """Manage toolchains: the environments of converters and model servers, which are installed on first use."""


@toolchain.command("list")
@AS_JSON
@FOLDER
def list_toolchains(directory: Path, *, as_json: bool) -> None:
    """List the toolchains, installed or not.

    \b
    klever toolchain list
    """
    toolchains = _store(directory).list()
    if as_json:
        print_json([_facts(each) for each in toolchains])
        return
    print_table([("NAME", "INSTALLED", "SIZE", "PATH"), *(_row(each) for each in toolchains)])


@toolchain.command()
@NAME
@AS_JSON
@FOLDER
def install(name: str, directory: Path, *, as_json: bool) -> None:
    """Install a toolchain, so that the first conversion does not have to wait for it.

    \b
    klever toolchain install onnx
    """
    path = _run(lambda: _store(directory).ensure(name, lambda line: click.echo(line, err=True)))
    if as_json:
        print_json({"name": name, "path": str(path)})
    else:
        click.echo(f"{name}: {path}")


@toolchain.command()
@NAME
@FOLDER
def remove(name: str, directory: Path) -> None:
    """Remove a toolchain. It is installed again when a conversion needs it.

    \b
    klever toolchain remove tf
    """
    _run(lambda: _store(directory).remove(name))
    click.echo(f"{name}: removed")


def _store(directory: Path) -> "ToolchainStore":
    from modelconversion.toolchains.store import ToolchainStore  # noqa: PLC0415 - help needs none

    return ToolchainStore(directory.expanduser())


def _run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    from modelconversion.errors import ConversionError  # noqa: PLC0415 - see _store

    try:
        return asyncio.run(work())
    except ConversionError as error:
        raise click.ClickException(f"{error.code}: {error}") from error


def _facts(item: "Toolchain") -> dict[str, Any]:
    return {"name": item.name, "installed": item.installed, "size": item.size, "path": str(item.path)}


def _row(item: "Toolchain") -> tuple[str, ...]:
    size = human_size(item.size) if item.size else "-"
    return item.name, "yes" if item.installed else "no", size, str(item.path) if item.installed else "-"
