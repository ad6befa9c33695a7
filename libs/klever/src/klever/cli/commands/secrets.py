"""`klever secrets`: secrets of servings, which are not part of documents."""

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

NAMESPACE = click.option(
    "--namespace", "-n", default="default", show_default=True, help="Namespace of the servings that use the secret."
)
_LABEL = TypeAdapter(DnsLabel)


@cli.group()
def secrets() -> None:
    """Manage secrets of servings. They are stored in files; documents refer to them: `env: {KEY: {secret: NAME}}`."""


@secrets.command("set")
@click.argument("name")
@NAMESPACE
@click.option(
    "--from-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the value. Default: standard input or a prompt.",
)
def set_secret(name: str, namespace: str, from_file: Path | None) -> None:
    """Set a secret. Model servers receive it when they start; running ones keep the previous value.

    \b
    klever secrets set hf-token --from-file token.txt
    """
    with errors_as_lines():
        place = _label(namespace), _label(name)
        try:
            _files().set(*place, _value(from_file))
        except (ValueError, OSError) as error:
            raise InputError(f"cannot store the secret: {error}") from error
    click.echo(f"{name} is set. Use it in the document of a serving with `env: {{KEY: {{secret: {name}}}}}`")


@secrets.command("list")
@AS_JSON
def list_secrets(*, as_json: bool) -> None:
    """List the names of secrets. Values are never shown.

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
    """Delete a secret. Running model servers keep it until they stop.

    \b
    klever secrets delete hf-token
    """
    with errors_as_lines():
        try:
            _files().delete(_label(namespace), _label(name))
        except SecretNotFoundError as error:
            raise InputError(
                f"secret {name} not found in namespace {namespace}. List secrets with `klever secrets list`"
            ) from error
    click.echo(f"{name} is deleted.")


def _files() -> SecretFiles:
    return SecretFiles(Home.default().secrets)


def _value(from_file: Path | None) -> str:
    """Return the value without the newline that files and terminals add."""
    if from_file is not None:
        return from_file.read_text().removesuffix("\n")
    if sys.stdin.isatty():
        return str(click.prompt("Value", hide_input=True))
    return sys.stdin.read().removesuffix("\n")


def _label(text: str) -> str:
    try:
        return _LABEL.validate_python(text)
    except ValidationError as error:
        raise InputError(f"{text!r} is not a valid name: use lower-case letters, digits and hyphens") from error
