"""The group of commands, what they share, and how an error looks."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Any, TypeVar

import click

from klever.errors import KleverError, PlatformError
from klever.platform.home import Home
from kleverproto.references import InvalidReferenceError, ModelRef
from ormb.errors import OrmbError

if TYPE_CHECKING:
    from klever.client import KleverClient

ResultT = TypeVar("ResultT")


class ModelRefType(click.ParamType[ModelRef]):
    """An argument that names a model version."""

    name = "project/model:version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ModelRef:
        """Parse it, or say how one is written."""
        try:
            return ModelRef.parse(str(value))
        except InvalidReferenceError as error:
            self.fail(str(error), param, ctx)


SERVER = click.option(
    "--server", envvar="KLEVER_SERVER", help="URL of the gateway; that of the platform with this home by default."
)
NAMESPACE = click.option("-n", "--namespace", default="default", show_default=True, help="Where the serving lives.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version("klever"), prog_name="klever")
def cli() -> None:
    """From a model file to a production endpoint.

    \b
    klever demo                                    see everything work
    klever up                                      run the platform on this machine
    ormb push ./mymodel localhost:5000/library/mymodel:v1
    klever models get library/mymodel:v1
    klever deploy library/mymodel:v1 --name mymodel
    klever predict mymodel --input x=@x.json
    """


def call(server: str | None, work: Callable[["KleverClient"], Awaitable[ResultT]]) -> ResultT:
    """Do something with a platform; an error becomes one line on standard error and exit code 1."""
    from klever.client import KleverClient  # noqa: PLC0415 - help needs no HTTP

    async def main() -> ResultT:
        async with KleverClient(server or _local_server()) as client:
            return await work(client)

    with errors_as_lines():
        return asyncio.run(main())


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """Turn the library's errors into click's: a message, no traceback."""
    try:
        yield
    except (KleverError, OrmbError, InvalidReferenceError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'input/output'}: {error.strerror or error}") from error


@contextmanager
def waiting(text: str, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A spinner on a terminal; yields a function that changes its text."""
    if quiet or not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    with Console(stderr=True).status(text) as status:
        yield status.update


def _local_server() -> str:
    """The gateway of the platform that runs with this home, wherever it listens. Raises PlatformError where none does.

    Whoever listens on the usual port may be the platform of another home.
    """
    from klever.platform.state import read_running  # noqa: PLC0415 - loads psutil

    home = Home.default()
    state = read_running(home.state)
    if state is None:
        raise PlatformError(
            f"no platform runs with {home.path}: start it with `klever up`, choose another home with KLEVER_HOME, or "
            "name a gateway with --server or KLEVER_SERVER"
        )
    return state.urls.api
