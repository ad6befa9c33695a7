"""`klever secrets`: what servings need and no document may hold."""

import sys
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from klever.cli.app import AS_JSON, cli, errors_as_lines
from klever.errors import InputError
from klever.platform.home import Home
from kleverkit.secret_files import SecretFiles, SecretNotFoundError
from kleverproto.references import DnsLabel
from ormb.console.printing import print_json, print_table

NAMESPACE = click.option("--namespace", "-n", default="default", show_default=True, help="Of the servings that use it.")
_LABEL = TypeAdapter(DnsLabel)


@cli.group()
def secrets() -> None:
    """Passwords and keys of servings: kept in files, and named in documents as `env: {KEY: {secret: NAME}}`."""


@secrets.command("set")
@click.argument("name")
@NAMESPACE
@click.option(
    "--from-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read the value from a file; from standard input, or by asking, without it.",
)
def set_secret(name: str, namespace: str, from_file: Path | None) -> None:
    """Keep a secret. Model servers that start from now on get it; those that run keep what they have.

    \b
    klever secrets set hf-token --from-file token.txt
    """
    with errors_as_lines():
        place = _label(namespace), _label(name)
        try:
            _files().set(*place, _value(from_file))
        except (ValueError, OSError) as error:
            raise InputError(f"the secret is not kept: {error}") from error
    click.echo(f"{name} is set: name it in a serving's document as `env: {{KEY: {{secret: {name}}}}}`")


@secrets.command("list")
@AS_JSON
def list_secrets(*, as_json: bool) -> None:
    """Show which secrets there are; their values are shown to nobody.

    \b
    klever secrets list
    """
    names = _files().names()
    if as_json:
        print_json({"secrets": [{"namespace": namespace, "name": name} for namespace, name in names]})
        return
    print_table([("NAMESPACE", "NAME"), *names])


@secrets.command("delete")
@click.argument("name")
@NAMESPACE
def delete_secret(name: str, namespace: str) -> None:
    """Forget a secret. Model servers that run keep it until they end.

    \b
    klever secrets delete hf-token
    """
    with errors_as_lines():
        try:
            _files().delete(_label(namespace), _label(name))
        except SecretNotFoundError as error:
            raise InputError(f"there is no secret {name} in namespace {namespace}: `klever secrets list`") from error
    click.echo(f"{name} is deleted.")


def _files() -> SecretFiles:
    return SecretFiles(Home.default().secrets)


def _value(from_file: Path | None) -> str:
    """Without the line's end that files and terminals add."""
    if from_file is not None:
        return from_file.read_text().removesuffix("\n")
    if sys.stdin.isatty():
        return str(click.prompt("Value", hide_input=True))
    return sys.stdin.read().removesuffix("\n")


def _label(text: str) -> str:
    try:
        return _LABEL.validate_python(text)
    except ValidationError as error:
        raise InputError(f"{text!r} is no name: write lower-case letters, digits and hyphens") from error
