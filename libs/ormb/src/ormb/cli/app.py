"""The command group, the shared options, and the formatting of errors."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from ormb.console.completion import add_completion
from ormb.errors import OrmbError
from ormb.reference import Reference

if TYPE_CHECKING:
    from ormb.client import OrmbClient

ResultT = TypeVar("ResultT")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def _check_ca_file(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Reject an unusable file that an option names; warn about one that the environment names."""
    from ormb.adapters.tls import verification  # noqa: PLC0415 - help needs no TLS

    try:
        verification(insecure=False, ca_file=value)
    except OSError as error:
        message = f"cannot use {value}: {error.strerror or error}"
        if context.get_parameter_source(str(parameter.name)) is not ParameterSource.ENVIRONMENT:
            raise click.BadParameter(message) from error
        warn(f"$ORMB_CA_FILE: {message}")
        return None
    return value


CA_FILE = click.option(
    "--ca-file",
    type=click.Path(path_type=Path),
    envvar="ORMB_CA_FILE",
    callback=_check_ca_file,
    help="File with additional CA certificates to trust. Also $ORMB_CA_FILE.",
)


@dataclass(frozen=True)
class Options:
    """The options that all commands share."""

    plain_http: bool
    insecure: bool
    ca_file: Path | None
    concurrency: int
    as_json: bool


class ReferenceType(click.ParamType[Reference]):
    """A command-line argument with the reference of a model in a registry."""

    name = "reference"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Reference:
        """Parse the reference, or fail with a message that shows the syntax."""
        try:
            return Reference.parse_named(str(value))
        except OrmbError as error:
            self.fail(str(error), param, ctx)


def shared_options(command: CommandT) -> CommandT:
    """Add --json, --plain-http, --insecure, --ca-file and --concurrency, gathered into `options`."""
    for option in reversed(
        (
            click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
            click.option("--plain-http", is_flag=True, help="Use HTTP. Registries on this machine always use HTTP."),
            click.option("--insecure", is_flag=True, help="Do not verify the TLS certificate of the registry."),
            CA_FILE,
            click.option(
                "--concurrency",
                default=4,
                show_default=True,
                type=click.IntRange(1, 64),
                help="Number of blobs to transfer at the same time.",
            ),
        )
    ):
        command = option(command)
    return command


def run(options: Options, call: Callable[["OrmbClient"], Awaitable[ResultT]]) -> ResultT:
    """Call the library. An error is printed as one line on standard error, and the exit code is 1."""
    from ormb.client import OrmbClient  # noqa: PLC0415 - help needs no HTTP

    async def main() -> ResultT:
        async with OrmbClient(
            concurrency=options.concurrency,
            plain_http=options.plain_http,
            insecure=options.insecure,
            ca_file=options.ca_file,
        ) as client:
            return await call(client)

    with errors_as_lines():
        return asyncio.run(main())


class errors_as_lines:  # noqa: N801 - reads as a statement
    """Prints errors of the library as one line without a traceback, and its warnings as lines."""

    def __enter__(self) -> None:
        """Show warnings on standard error."""
        logger = logging.getLogger("ormb")
        if not any(isinstance(handler, _WarningLines) for handler in logger.handlers):
            logger.addHandler(_WarningLines(logging.WARNING))

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OrmbError):
            raise click.ClickException(str(error)) from error
        if isinstance(error, OSError):
            raise click.ClickException(f"{error.strerror or error}: {error.filename or 'input/output'}") from error


class _WarningLines(logging.Handler):
    """Writes log records to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        warn(record.getMessage())


def warn(message: str) -> None:
    """Print a warning on standard error."""
    click.secho(f"warning: {message}", fg="yellow", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version("ormb"), prog_name="ormb")
def cli() -> None:
    """Manage machine-learning models as OCI artifacts, as Docker manages images.

    \b
    ormb save ./mymodel localhost:5000/library/mymodel:v1
    ormb push localhost:5000/library/mymodel:v1
    ormb pull localhost:5000/library/mymodel:v1
    ormb export localhost:5000/library/mymodel:v1 -d ./copy
    """


@cli.command()
def version() -> None:
    """Print the version.

    \b
    ormb version
    """
    click.echo(f"Version:    {installed_version('ormb')}")


add_completion(cli, "ormb")
