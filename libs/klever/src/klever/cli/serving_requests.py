"""Shared by the commands that change a serving: options, sending the request, and waiting for the result."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from klever.errors import ApiError, InputError
from kleverproto.servings import ServingDocument

from .app import AS_JSON, NAMESPACE, SERVER, call, waiting
from .steps import Steps

if TYPE_CHECKING:
    from klever.client import KleverClient

TIMEOUT = click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=900.0, show_default=True, help="Seconds to wait."
)
UNTIL_SERVED = "Wait until the change is completed, and show the progress."
NOT_FOUND = "not_found"
DEFAULT_NAMESPACE = "default"

Command = Callable[..., None]
SendRequest = Callable[["KleverClient"], Awaitable[ServingDocument]]


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """Options for sending a request and waiting for its result.

    Attributes:
        server: URL of the gateway; None for the platform of this home.
        namespace: of the serving.
        within: timeout in seconds; None to return at once.
        as_json: print one JSON document, and no progress.
    """

    server: str | None
    namespace: str
    within: float | None
    as_json: bool


def request_options(wait_help: str = UNTIL_SERVED, *, has_namespace: bool = True) -> Callable[[Command], Command]:
    """Add the options of a command that changes a serving; the command receives them as `options`, a RequestOptions.

    Args:
        wait_help: help of `--wait`.
        has_namespace: whether the command has the option `--namespace`.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run_command(
            *args: Any,
            server: str | None,
            wait: bool,
            timeout: float,
            as_json: bool,
            namespace: str = DEFAULT_NAMESPACE,
            **rest: Any,
        ) -> None:
            within = timeout if wait else None
            options = RequestOptions(server=server, namespace=namespace, within=within, as_json=as_json)
            command(*args, options=options, **rest)

        wait = click.option("--wait/--no-wait", default=True, help=wait_help)
        decorated: Command = run_command
        for option in (SERVER, AS_JSON, *([NAMESPACE] if has_namespace else []), TIMEOUT, wait):
            decorated = option(decorated)
        return decorated

    return decorate


def request_change(options: RequestOptions, name: str, send: SendRequest) -> ServingDocument:
    """Send a request and, unless the options disable it, wait until its generation is served."""

    async def send_and_wait(client: "KleverClient") -> ServingDocument:
        try:
            requested = await send(client)
        except ApiError as error:
            if error.code == NOT_FOUND:
                raise serving_not_found(name, options.namespace) from error
            raise
        if options.within is None:
            return requested
        with waiting(f"deploying {name}", quiet=options.as_json) as spin:
            steps = Steps(spin, quiet=options.as_json)
            generation, within = requested.generation, options.within
            return await client.wait_for_ready(name, generation, options.namespace, within=within, on_step=steps)

    return call(options.server, send_and_wait)


def find_serving(server: str | None, name: str, namespace: str) -> ServingDocument:
    """Return the serving; exits with an error if it does not exist."""

    async def find(client: "KleverClient") -> ServingDocument:
        serving = await client.serving(name, namespace)
        if serving is None:
            raise serving_not_found(name, namespace)
        return serving

    return call(server, find)


def serving_not_found(name: str, namespace: str) -> InputError:
    """Return the error for a serving that does not exist."""
    return InputError(f"serving {name} not found in namespace {namespace}. List servings with `klever get`")
