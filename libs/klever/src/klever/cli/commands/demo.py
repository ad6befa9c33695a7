"""`klever demo`: the main workflow, end to end."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from klever.cli.app import AS_JSON, cli, errors_as_lines
from klever.cli.starting import (
    PORT,
    PORTS,
    find_nats_server,
    keep_private,
    run_until_stopped,
    running,
    wait_for_interrupt,
    wanted_ports,
)
from klever.platform.home import Home
from klever.platform.plan import Ports, parts, urls
from klever.platform.ports import reserved
from ormb.console.printing import print_json

if TYPE_CHECKING:
    from klever.cli.reporting import Lines

INTERRUPTED = 130
"""Exit code after Ctrl-C, by the convention of shells."""


@cli.command()
@click.option("--exit", "leave", is_flag=True, help="Exit at the end of the demo instead of waiting for Ctrl-C.")
@AS_JSON
@PORT
@PORTS
@click.pass_context
def demo(context: click.Context, *, leave: bool, as_json: bool, single: tuple[str, ...], ports: str) -> None:
    """Show the main workflow, end to end, on a platform with a temporary home.

    \b
    klever demo
    klever demo --exit --json
    """
    outcome = _Outcome()
    keep_private()
    with errors_as_lines():
        run_until_stopped(_demo(wanted_ports(single, ports), outcome, leave=leave, as_json=as_json))
    context.exit(0 if outcome.completed else INTERRUPTED)


class _Outcome:
    """Records whether the demo was completed, regardless of the user's later actions."""

    completed = False


async def _demo(requested: Ports, outcome: _Outcome, *, leave: bool, as_json: bool) -> None:
    from klever.cli.reporting import Lines  # noqa: PLC0415 - loads HTTP

    directory = Path(tempfile.mkdtemp(prefix="klever-demo-"))
    try:
        lines = Lines()
        with reserved(requested, fall_back=True) as (ports, moved):
            for name in moved:
                lines.note(f"port {getattr(requested, name)} is in use: the {name} uses {getattr(ports, name)}")
            await _show(Home(directory), ports, lines, outcome, leave=leave, as_json=as_json)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _show(home: Home, ports: Ports, lines: "Lines", outcome: _Outcome, *, leave: bool, as_json: bool) -> None:
    from klever.cli.reporting import urls_as_json  # noqa: PLC0415 - loads HTTP
    from klever.demo.story import run_demo  # noqa: PLC0415
    from klever.platform.supervisor import Supervisor  # noqa: PLC0415

    started, addresses = time.monotonic(), urls(ports)
    lines.heading("Starting the platform")
    supervisor = Supervisor(home, parts(home, ports, find_nats_server()), addresses, lines)
    async with running(supervisor, home, ports, lines):
        platform_ready = round(time.monotonic() - started, 3)
        lines.heading("A model becomes an endpoint")
        result = await run_demo(addresses, home, lines)
        timings = {"platformReady": platform_ready, **result.pop("timingsSeconds")}
        outcome.completed = True
        lines.heading("Try it yourself")
        lines.urls(addresses)
        if as_json:
            print_json({**result, "urls": urls_as_json(addresses), "timingsSeconds": timings})
        if not leave:
            await wait_for_interrupt(home, addresses, lines, show_link=True, show_hint=True)
        lines.heading("Stopping")
