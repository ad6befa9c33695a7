"""`klever registry`: the embedded registry and its catalogue."""

import click

from klever.cli.app import SERVER, call, cli


@cli.group()
def registry() -> None:
    """The embedded registry."""


@registry.command()
@SERVER
def rebuild(server: str | None) -> None:
    """Make the catalogue anew from what the registry holds: metadata, and signatures that lie beside the models.

    Every version is announced once more; who listens sees it as pushed again.

    \b
    klever registry rebuild
    """
    count = call(server, lambda client: client.rebuild_catalogue())
    click.echo(f"{count} version(s) are announced anew; `klever models list` shows them")
