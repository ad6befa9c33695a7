"""`klever demo`: the main job, end to end."""

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
"""Exit code of a program that Ctrl-C ended, as shells have it."""


@cli.command()
@click.option("--exit", "leave", is_flag=True, help="End when the story is told, instead of waiting for Ctrl-C.")
@AS_JSON
@PORT
@PORTS
@click.pass_context
def demo(context: click.Context, *, leave: bool, as_json: bool, single: tuple[str, ...], ports: str) -> None:
    """See the main job, end to end, with a home of its own that is removed afterwards.

    \b
    klever demo
    klever demo --exit --json
    """
    told = _Told()
    keep_private()
    with errors_as_lines():
        run_until_stopped(_demo(wanted_ports(single, ports), told, leave=leave, as_json=as_json))
    context.exit(0 if told.whole else INTERRUPTED)


class _Told:
    """Whether the story came to its end, however long the user looks around after it."""

    whole = False


async def _demo(wanted: Ports, told: _Told, *, leave: bool, as_json: bool) -> None:
    from klever.cli.reporting import Lines  # noqa: PLC0415 - loads HTTP

    directory = Path(tempfile.mkdtemp(prefix="klever-demo-"))
    try:
        lines = Lines()
        with reserved(wanted, fall_back=True) as (ports, moved):
            for name in moved:
                lines.note(f"port {getattr(wanted, name)} is in use: the {name} takes {getattr(ports, name)}")
            await _show(Home(directory), ports, lines, told, leave=leave, as_json=as_json)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _show(home: Home, ports: Ports, lines: "Lines", told: _Told, *, leave: bool, as_json: bool) -> None:
    from klever.cli.reporting import urls_as_json  # noqa: PLC0415 - loads HTTP
    from klever.demo.story import tell  # noqa: PLC0415
    from klever.platform.supervisor import Supervisor  # noqa: PLC0415

    begun, where = time.monotonic(), urls(ports)
    lines.heading("The platform comes up")
    supervisor = Supervisor(home, parts(home, ports, find_nats_server()), where, lines)
    async with running(supervisor, home, ports, lines):
        platform_ready = round(time.monotonic() - begun, 3)
        lines.heading("A model becomes an endpoint")
        found = await tell(where, home, lines)
        timings = {"platformReady": platform_ready, **found.pop("timingsSeconds")}
        told.whole = True
        lines.heading("Look around")
        lines.urls(where)
        if as_json:
            print_json({**found, "urls": urls_as_json(where), "timingsSeconds": timings})
        if not leave:
            await wait_for_interrupt(home, where, lines, show_link=True, show_hint=True)
        lines.heading("Stopping")
