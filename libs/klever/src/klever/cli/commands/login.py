"""`klever login-link`: prints a link that logs a browser in."""

import click

from klever.cli.app import AS_JSON, SERVER, call, cli
from ormb.console.printing import print_json


@cli.command("login-link")
@AS_JSON
@SERVER
def login_link(*, as_json: bool, server: str | None) -> None:
    """Print a link that logs a browser in. It is valid once, for five minutes.

    \b
    klever login-link
    """
    url = call(server, lambda client: client.login_link())
    if as_json:
        print_json({"url": url})
    else:
        click.echo(url)
