"""The command `diff`."""

from typing import TYPE_CHECKING, Any

import click

from ormb.cli.app import Options, ReferenceType, cli, run, shared_options
from ormb.comparing import Change, compare
from ormb.console.printing import print_json
from ormb.reference import Reference

if TYPE_CHECKING:
    from ormb.client import OrmbClient
    from ormb.info import ModelInfo


@cli.command()
@click.argument("left", type=ReferenceType())
@click.argument("right", type=ReferenceType())
@click.option("--local", is_flag=True, help="Use the local store instead of the registry.")
@shared_options
def diff(left: Reference, right: Reference, *, local: bool, **options: Any) -> None:
    """Show the differences between two models: metadata, signature and files. The exit code is 1 if there are any.

    \b
    ormb diff localhost:5000/library/mymodel:v1 localhost:5000/library/mymodel:v2
    """
    settings = Options(**options)

    async def call(client: "OrmbClient") -> tuple["ModelInfo", "ModelInfo"]:
        if local:
            return client.stored(left), client.stored(right)
        return await client.inspect(left), await client.inspect(right)

    first, second = run(settings, call)
    changes = compare(first.manifest, second.manifest)
    if settings.as_json:
        print_json(changes)
    for change in () if settings.as_json else changes:
        _show(change)
    click.get_current_context().exit(1 if changes else 0)


def _show(change: Change) -> None:
    click.echo(f"{change.kind} {change.name}")
    if change.left is not None:
        click.secho(f"  - {change.left}", fg="red")
    if change.right is not None:
        click.secho(f"  + {change.right}", fg="green")
