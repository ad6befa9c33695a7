"""The commands `save`, `push`, `pull` and `export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ormb.cli.app import Options, ReferenceType, cli, run, shared_options
from ormb.cli.output import facts, layers_line, print_summary, progress
from ormb.console.printing import print_json
from ormb.digest import digest_bytes
from ormb.errors import NotFoundError
from ormb.reference import Reference

if TYPE_CHECKING:
    from ormb.client import OrmbClient
    from ormb.info import ModelInfo

REFERENCE = click.argument("reference", type=ReferenceType())
LAYOUT = click.option(
    "--layout",
    type=click.Choice(["modelpack", "ormb"]),
    default="modelpack",
    show_default=True,
    help="modelpack: CNCF ModelPack, one layer per file. ormb: one archive, which the Go ormb can read.",
)


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@REFERENCE
@LAYOUT
@shared_options
def save(directory: Path, reference: Reference, layout: str, **options: Any) -> None:
    """Pack a model directory into the local store.

    The directory contains model/ with the files of the model, and ormbfile.yaml with its metadata. If that file
    is missing, or has no format, the format is detected.

    \b
    ormb save ./mymodel localhost:5000/library/mymodel:v1
    """
    settings = Options(**options)
    info = run(settings, lambda client: client.save(directory, reference, layout=layout))
    _report(info, settings, after=f"{_name(reference)}: saved")


@cli.command()
@click.argument("arguments", nargs=-1, required=True, metavar="[DIRECTORY] REFERENCE")
@LAYOUT
@shared_options
def push(arguments: tuple[str, ...], layout: str, **options: Any) -> None:
    """Push a model to its registry, from the local store or directly from a directory.

    \b
    ormb push localhost:5000/library/mymodel:v1
    ormb push ./mymodel localhost:5000/library/mymodel:v1
    """
    settings = Options(**options)
    *directories, text = arguments
    if len(directories) > 1:
        raise click.UsageError("push takes a reference, or a directory and a reference")
    reference: Reference = ReferenceType().convert(text, None, None)
    _say(f"The push refers to repository [{reference.host}/{reference.repository}]", settings)

    async def call(client: "OrmbClient") -> "ModelInfo":
        with progress("pushing", quiet=settings.as_json) as watcher:
            if directories:
                return await client.push_directory(Path(directories[0]), reference, watcher, layout=layout)
            return await client.push(reference, watcher)

    info = run(settings, call)
    _report(info, settings, after=f"{_name(reference)}: pushed to remote ({layers_line(info)})")


@cli.command()
@REFERENCE
@click.option(
    "--export",
    "destination",
    type=click.Path(path_type=Path),
    help="Write the files to this directory instead of the local store.",
)
@shared_options
def pull(reference: Reference, destination: Path | None, **options: Any) -> None:
    """Pull a model into the local store, or directly into a directory.

    \b
    ormb pull localhost:5000/library/mymodel:v1
    ormb pull localhost:5000/library/mymodel:v1 --export ./copy
    """
    settings = Options(**options)
    _say(f"{_name(reference)}: Pulling from {reference.host}/{reference.repository}", settings)

    async def call(client: "OrmbClient") -> tuple["ModelInfo", bool]:
        before = _stored_digest(client, reference)
        with progress("pulling", quiet=settings.as_json) as watcher:
            if destination is not None:
                return await client.pull_and_export(reference, destination, watcher), True
            info = await client.pull(reference, watcher)
        return info, info.digest != before

    info, newer = run(settings, call)
    status = f"Downloaded newer model for {reference}" if newer else f"Model is up to date for {reference}"
    _report(info, settings, after=f"Status: {status}")


@cli.command()
@REFERENCE
@click.option(
    "-d",
    "--destination",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default=True,
    help="Directory to write to.",
)
@shared_options
def export(reference: Reference, destination: Path, **options: Any) -> None:
    """Write a model from the local store to a directory: ormbfile.yaml and model/.

    \b
    ormb export localhost:5000/library/mymodel:v1 -d ./copy
    """
    settings = Options(**options)
    _report(run(settings, lambda client: client.export(reference, destination)), settings)


def _stored_digest(client: "OrmbClient", reference: Reference) -> str | None:
    try:
        return digest_bytes(client.layout.manifest_bytes(reference))
    except NotFoundError:
        return None


def _name(reference: Reference) -> str:
    return reference.tag or reference.name


def _say(line: str, options: Options) -> None:
    if not options.as_json:
        click.echo(line)


def _report(info: "ModelInfo", options: Options, after: str | None = None) -> None:
    if options.as_json:
        print_json(facts(info))
        return
    print_summary(info)
    if after:
        click.echo(after)
