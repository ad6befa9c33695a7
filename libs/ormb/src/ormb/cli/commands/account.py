"""The commands `login` and `logout`."""

import asyncio
import sys
from pathlib import Path

import click

from ormb.adapters.credentials import Credentials, forget_credentials, store_credentials
from ormb.cli.app import CA_FILE, errors_as_lines
from ormb.cli.app import cli as commands
from ormb.layout import default_root


@commands.command()
@click.argument("host")
@click.option("-u", "--username", prompt=True, help="Name of the user account or robot account.")
@click.option("-p", "--password", help="Password or token. --password-stdin and the prompt are safer.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--plain-http", is_flag=True, help="Use HTTP. Registries on this machine always use HTTP.")
@click.option("--insecure", is_flag=True, help="Do not verify the TLS certificate of the registry.")
@CA_FILE
def login(  # noqa: PLR0913 - one parameter for each option
    host: str,
    username: str,
    password: str | None,
    *,
    password_stdin: bool,
    plain_http: bool,
    insecure: bool,
    ca_file: Path | None,
) -> None:
    """Check the credentials with a registry and store them.

    \b
    ormb login registry.example.com -u robot --password-stdin < token
    """
    from ormb.adapters.connecting import Connecting  # noqa: PLC0415 - help needs no HTTP
    from ormb.login import check_login  # noqa: PLC0415 - as above

    credentials = Credentials(username, _password(password, from_stdin=password_stdin))
    connection = Connecting(plain_http=plain_http, insecure=insecure, ca_file=ca_file)
    with errors_as_lines():
        asyncio.run(check_login(host, credentials, default_root(), connection))
        store_credentials(default_root(), host, credentials)
    click.echo("Login succeeded")


@commands.command()
@click.argument("host")
def logout(host: str) -> None:
    """Remove the stored credentials of a registry.

    \b
    ormb logout registry.example.com
    """
    with errors_as_lines():
        removed = forget_credentials(default_root(), host)
    click.echo(f"Logged out of {host}" if removed else f"Not logged in to {host}")


def _password(password: str | None, *, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if password is not None:
        click.echo("WARNING! --password is visible to others on this machine. Use --password-stdin.", err=True)
        return password
    answer: str = click.prompt("Password", hide_input=True)
    return answer
