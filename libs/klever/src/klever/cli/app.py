"""The command group, the shared options, and the formatting of errors."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from klever.cli.references import check_registries
from klever.errors import KleverError
from klever.servers import read_token
from kleverkit.errors import PermanentError
from kleverproto.references import InvalidReferenceError
from ormb.console.completion import add_completion
from ormb.errors import OrmbError

if TYPE_CHECKING:
    from klever.client import KleverClient

ResultT = TypeVar("ResultT")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


TOKEN = "klever.token"  # noqa: S105 - a key, not a token
"""Key in click's context of the token that an option named."""


def _remember_token(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        with errors_as_lines():
            context.meta[TOKEN] = read_token(path)


def SERVER(command: CommandT) -> CommandT:  # noqa: N802 - used as the other options are
    """Add the options for the gateway and its token; `call` takes the token from the context."""
    command = click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_remember_token,
        help="File with the token of the gateway. Default: $KLEVER_TOKEN, $KLEVER_TOKEN_FILE, or that of this home.",
    )(command)
    return click.option(
        "--server", envvar="KLEVER_SERVER", help="URL of the gateway. Default: the platform of this home."
    )(command)


NAMESPACE = click.option("-n", "--namespace", default="default", show_default=True, help="Namespace of the serving.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class _Commands(click.Group):
    """The commands. An error of Klever is printed as one line on standard error, and the exit code is 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Group`."""
        try:
            return super().invoke(ctx)
        except (KleverError, PermanentError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version("klever"), prog_name="klever")
def cli() -> None:
    """Turn a model file into a production endpoint.

    \b
    klever demo                                    show the whole workflow
    klever up                                      run the platform on this machine
    ormb push ./mymodel localhost:5000/library/mymodel:v1
    klever models get library/mymodel:v1
    klever deploy library/mymodel:v1 --name mymodel
    klever predict mymodel --input x=@x.json
    """


add_completion(cli, "klever")


def call(server: str | None, work: Callable[["KleverClient"], Awaitable[ResultT]]) -> ResultT:
    """Call the API of a platform. An error is printed as one line on standard error, and the exit code is 1."""
    from klever.client import KleverClient  # noqa: PLC0415 - help needs no HTTP

    context = click.get_current_context(silent=True)

    async def main() -> ResultT:
        async with KleverClient(server, context.meta.get(TOKEN) if context else None) as client:
            await check_registries(client, context)
            return await work(client)

    with errors_as_lines():
        return asyncio.run(main())


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """Turn errors of the libraries into errors of click: a message without a traceback."""
    try:
        yield
    except (KleverError, OrmbError, InvalidReferenceError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'input/output'}: {error.strerror or error}") from error


@contextmanager
def waiting(text: str, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show a spinner on a terminal; yields a function that changes its text."""
    if quiet or not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    with Console(stderr=True).status(text) as status:
        yield status.update
