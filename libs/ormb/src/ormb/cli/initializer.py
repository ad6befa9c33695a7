"""Entry point of `ormb-storage-initializer`."""

import asyncio
import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import click

from modelfiles.runtimes import DirectoryLayout, usual_layout
from modelformats.threads import in_thread
from ormb.cli.app import CA_FILE, ReferenceType, errors_as_lines
from ormb.client import OrmbClient
from ormb.errors import NotFoundError, OrmbError
from ormb.initializer import termination
from ormb.initializer.server_layout import described, is_laid_out, lay_out
from ormb.initializer.targets import ServedModel
from ormb.reference import Reference

SCHEMES = ("oci://", "ormb://")
DOWNLOAD = ".ormb-download"
ATTACHED_BYTES = 256 * 1024 * 1024
"""Largest file that is attached to a model."""


class UriType(ReferenceType):
    """A command-line argument with a reference, with or without a scheme."""

    def convert(self, value: str | Reference, param: click.Parameter | None, ctx: click.Context | None) -> Reference:
        """Parse the reference, or fail with a message that shows the syntax."""
        text = str(value)
        for scheme in SCHEMES:
            text = text.removeprefix(scheme)
        return super().convert(text, param, ctx)


class InitializerGroup(click.Group):
    """Commands; a URI in the place of a command is what KServe passes to a storage initializer, with the directory."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; `pull-and-export` for a URI and a directory."""
        return super().resolve_command(ctx, ["pull-and-export", *args] if args[0].startswith(SCHEMES) else args)


@click.group(cls=InitializerGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version("ormb"), prog_name="ormb-storage-initializer")
def cli() -> None:
    """Pull a model for the model server that starts next. This command is meant for init containers.

    \b
    ormb-storage-initializer pull-and-export registry.example.com/library/iris:v1 /mnt/models/iris
    ormb-storage-initializer ormb://registry.example.com/library/iris:v1 /mnt/models
    """


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(f"Version:    {installed_version('ormb')}")


@cli.command("pull-and-export")
@click.argument("uri", type=UriType())
@click.argument("destination", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--target",
    type=click.Choice([layout.value for layout in DirectoryLayout]),
    help="Whose layout; by default that of the server that the format is mostly served with.",
)
@click.option("--name", help="What the server calls the model; by default the destination's name.")
@click.option("--relayout/--no-relayout", default=True, help="--no-relayout is --target plain.")
@click.option("--plain-http", is_flag=True, envvar="ORMB_PLAIN_HTTP", help="Speak http to the registry.")
@click.option("--insecure", is_flag=True, envvar="ORMB_INSECURE", help="Do not verify the registry's certificate.")
@CA_FILE
def pull_and_export(  # noqa: PLR0913 - one parameter for each option
    uri: Reference,
    destination: Path,
    *,
    target: str | None,
    name: str | None,
    relayout: bool,
    plain_http: bool,
    insecure: bool,
    ca_file: Path | None,
) -> None:
    """Write the model to the destination. Does nothing if it is already there.

    Credentials are read from $ORMB_USERNAME and $ORMB_PASSWORD, or from $ROOTPATH/config.json.

    \b
    ormb-storage-initializer pull-and-export registry.example.com/library/iris:v1 /mnt/models/iris --target triton
    """
    layout = DirectoryLayout.PLAIN if not relayout else DirectoryLayout(target) if target else None
    root = Path(os.environ["ROOTPATH"]) if os.environ.get("ROOTPATH") else None
    client = OrmbClient(root, plain_http=plain_http, insecure=insecure, ca_file=ca_file)
    with exit_codes(), errors_as_lines():
        message = asyncio.run(_run(client, uri, destination.resolve(), layout, name or destination.resolve().name))
    click.echo(message)


@cli.command("pull-attached")
@click.argument("uri", type=UriType())
@click.argument("artifact_type")
@click.argument("destination", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--plain-http", is_flag=True, envvar="ORMB_PLAIN_HTTP", help="Speak http to the registry.")
@click.option("--insecure", is_flag=True, envvar="ORMB_INSECURE", help="Do not verify the registry's certificate.")
@CA_FILE
def pull_attached(
    uri: Reference, artifact_type: str, destination: Path, *, plain_http: bool, insecure: bool, ca_file: Path | None
) -> None:
    """Write the only file of an artifact that is attached to a model, such as samples, to the destination.

    \b
    ormb-storage-initializer pull-attached registry.example.com/library/iris@sha256:… application/json /mnt/record.json
    """
    root = Path(os.environ["ROOTPATH"]) if os.environ.get("ROOTPATH") else None
    client = OrmbClient(root, plain_http=plain_http, insecure=insecure, ca_file=ca_file)
    with exit_codes(), errors_as_lines():
        asyncio.run(_fetch(client, uri, artifact_type, destination))
    click.echo(f"{uri} is in {destination}")


async def _fetch(client: OrmbClient, uri: Reference, artifact_type: str, destination: Path) -> None:
    async with client:
        await client.referrers.fetch(uri, artifact_type, destination, limit=ATTACHED_BYTES)


class TemporaryError(click.ClickException):
    """The registry may be available later."""

    exit_code = os.EX_TEMPFAIL


class NoInputError(click.ClickException):
    """The artifact does not exist."""

    exit_code = os.EX_NOINPUT


class exit_codes:  # noqa: N801 - reads as a statement
    """Exit codes by which the program that waits for a pod decides whether to retry (sysexits.h)."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        cause = error.__cause__ if isinstance(error, click.ClickException) else None
        if isinstance(cause, OrmbError) and cause.transient:
            raise TemporaryError(str(cause)) from cause
        if isinstance(cause, NotFoundError):
            raise NoInputError(str(cause)) from cause


async def _run(
    client: OrmbClient, reference: Reference, destination: Path, layout: DirectoryLayout | None, name: str
) -> str:
    async with client:
        info = await client.inspect(reference)
        target = layout or usual_layout(info.format)
        if await in_thread(is_laid_out, destination, info.digest, target, name):
            return f"{reference} is in {destination} already, for {target}"
        exported = destination / DOWNLOAD
        await client.pull_and_export(reference.at(info.digest), exported)
    model = (
        ServedModel(name, reference.name)  # the files are not parsed
        if layout is DirectoryLayout.PLAIN
        else await in_thread(described, exported, name, reference.name)
    )
    target = layout or usual_layout(model.format)
    await in_thread(lay_out, exported, destination, target, model, info.digest)
    return f"{reference} is in {destination}, for {target}"


def main() -> None:
    """Run the command line. An error is also the termination message of the container."""
    try:
        code = cli(prog_name="ormb-storage-initializer", standalone_mode=False)
    except click.ClickException as error:
        termination.report(error.format_message())
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(1)
    except Exception as error:
        termination.report(f"{type(error).__name__}: {error}")
        raise
    sys.exit(code)


if __name__ == "__main__":
    main()
