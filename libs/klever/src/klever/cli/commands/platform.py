"""`klever up`, `down` and `status`: the platform on this machine."""

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click
import psutil

from klever.cli.app import AS_JSON, cli, errors_as_lines
from klever.cli.serving_places import command_line, place_options
from klever.cli.startup import (
    PORT,
    PORTS,
    find_nats_server,
    keep_private,
    run_until_stopped,
    running,
    show_login_link,
    wait_for_interrupt,
    wanted_ports,
)
from klever.errors import PlatformError
from klever.observability.boards import DASHBOARDS
from klever.platform.home import ACCOUNTS_SETTING, Home
from klever.platform.plan import ALLOW_UNSANDBOXED, HOST, Part, Ports, parts, prometheus_part, urls
from klever.platform.ports import reserved
from klever.platform.prometheus_setup import find_prometheus, write_files
from klever.platform.serving_place import ServingPlace
from ormb.console.printing import print_json, print_table

START_SECONDS = 90.0
"""Timeout of `up --detach`."""
DOWN_SECONDS = 60.0


def _allow_unsandboxed(_context: click.Context, _option: click.Parameter, is_allowed: bool) -> None:  # noqa: FBT001
    if is_allowed:
        os.environ[ALLOW_UNSANDBOXED] = "1"  # read by the services that run models


@cli.command()
@click.option("--detach", is_flag=True, help="Run the platform in the background; return when it is ready.")
@click.option(
    "--allow-commands",
    is_flag=True,
    envvar="KLEVER_ALLOW_COMMANDS",
    help="Let users who can deploy run programs on this machine (custom.command). Also $KLEVER_ALLOW_COMMANDS.",
)
@click.option("--observe", is_flag=True, help="Also run Prometheus, with Klever's dashboards and alerts.")
@click.option("--background", is_flag=True, hidden=True, help="Used by --detach, which shows the link itself.")
@click.option(
    "--allow-unsandboxed",
    is_flag=True,
    envvar=ALLOW_UNSANDBOXED,
    expose_value=False,
    callback=_allow_unsandboxed,
    help="Run models that can execute code even if this system cannot sandbox them.",
)
@place_options
@PORT
@PORTS
def up(  # noqa: PLR0913 - its options
    *,
    detach: bool,
    allow_commands: bool,
    observe: bool,
    background: bool,
    place: ServingPlace,
    single: tuple[str, ...],
    ports: str,
) -> None:
    """Run the platform: NATS, registry, jobrunner, deployer with Envoy, gateway. The state is in $KLEVER_HOME.

    \b
    klever up
    klever up --port registry=5001 --detach
    klever up --allow-commands
    klever up --observe
    klever up --backend plain --ingress-url https://models.example.com
    """
    keep_private()
    with errors_as_lines():
        if detach:
            flags = {"--allow-commands": allow_commands, "--observe": observe}
            more = [*(flag for flag, is_set in flags.items() if is_set), *command_line(place)]
            _detach(Home.default(), [*(f"--port={text}" for text in single), f"--ports={ports}", *more])
        else:
            requested = wanted_ports(single, ports)
            prometheus = find_prometheus() if observe else None
            options = Options(place, allow_commands=allow_commands, background=background, prometheus=prometheus)
            run_until_stopped(_run(Home.default(), requested, options))


@dataclass(frozen=True)
class Options:
    """Options of `klever up`.

    Attributes:
        place: placement of servings.
        allow_commands: whether servings may run programs of users who deploy.
        background: whether the process runs for `--detach`.
        prometheus: path of the Prometheus program, to run it as well.
    """

    place: ServingPlace
    allow_commands: bool
    background: bool
    prometheus: str | None


def _parts(home: Home, ports: Ports, options: Options) -> tuple[Part, ...]:
    path = os.environ.get(ACCOUNTS_SETTING)
    accounts = Path(path) if path else None
    if accounts is not None and not accounts.exists():
        raise PlatformError(
            f"{ACCOUNTS_SETTING} names {accounts}, which does not exist. Create it with `klever registry account add`, "
            "or unset the variable"
        )
    platform = parts(
        home,
        ports,
        find_nats_server(),
        accounts=accounts,
        allow_commands=options.allow_commands,
        place=options.place,
    )
    if options.prometheus is None:
        return platform
    write_files(home, ports, options.place)
    return (*platform, prometheus_part(home, ports, options.prometheus))


@cli.command()
def down() -> None:
    """Stop the platform and all processes that it has started.

    \b
    klever down
    """
    from klever.platform.child import stop_leftovers  # noqa: PLC0415 - loads HTTP
    from klever.platform.state import read_running  # noqa: PLC0415

    home = Home.default()
    with errors_as_lines():
        state = read_running(home.state)
        supervisor = state.supervisor.process() if state else None
        if supervisor is not None:
            _stop_supervisor(supervisor)
        left = stop_leftovers(home)
        home.state.unlink(missing_ok=True)
    click.echo("Stopped." if supervisor or left else f"No platform runs with {home.path}.")


@cli.command("nats-config")
def nats_config() -> None:
    """Write a configuration for your own nats-server that requires credentials, and the credentials of the services.

    \b
    klever nats-config
    """
    from klever.platform.nats_access import NatsAccess  # noqa: PLC0415 - loads cryptography

    files = Home.default().nats_files
    with errors_as_lines():
        NatsAccess(files).prepare()
    click.echo(f"{files.config} is for `nats-server --config` or an include. It contains only public keys.")
    click.echo(f"{files.credentials_of('SERVICE')} is for KLEVER_SERVICE_NATS_CREDENTIALS of each service.")


@cli.command()
@AS_JSON
def status(*, as_json: bool) -> None:
    """Show the processes of the platform with state, address and memory. The exit code is 1 unless all are ready.

    \b
    klever status
    klever status --json
    """
    from klever.cli.sandbox_output import sandbox_lines  # noqa: PLC0415 - only this command shows it
    from klever.cli.status import report  # noqa: PLC0415 - loads HTTP

    home = Home.default()
    state = report(home)
    if as_json:
        print_json(state)
    elif not state["parts"]:
        click.echo(f"No platform runs with {home.path}. Start one with `klever up`")
    else:
        rows = [(p["name"], p["state"], p["url"], f"{p['rssMb']} MB") for p in state["parts"]]
        print_table([("PROCESS", "STATE", "URL", "MEMORY"), *rows])
        for line in sandbox_lines(state["sandbox"]):
            click.echo(line)
        click.echo(f"{state['rssMb']} MB in total; logs in {home.logs}")
        commands = (
            "allowed: users who can deploy can run programs on this machine" if state["allowCommands"] else "refused"
        )
        click.echo(f"Servings with commands (`klever up --allow-commands`): {commands}")
    sys.exit(0 if state["ready"] else 1)


async def _run(home: Home, requested: Ports, options: Options) -> None:
    from klever.cli.output_lines import Lines  # noqa: PLC0415 - loads HTTP
    from klever.platform.state import read_running  # noqa: PLC0415
    from klever.platform.supervisor import Supervisor, already_running, stop_earlier  # noqa: PLC0415

    if read_running(home.state):  # otherwise the error would be about its ports
        raise already_running(home)
    await stop_earlier(home)
    lines = Lines()
    with reserved(requested) as (ports, _):
        addresses = urls(ports, options.place)
        lines.heading(f"Klever, state in {home.path}")
        planned = _parts(home, ports, options)
        supervisor = Supervisor(home, planned, addresses, lines, allow_commands=options.allow_commands)
        async with running(supervisor, home, ports, lines):
            lines.heading("Ready")
            lines.urls(addresses)
            if options.prometheus is not None:
                lines.dashboards(f"http://{HOST}:{ports.prometheus}/consoles/{DASHBOARDS[0].name}.html")
            try:
                await wait_for_interrupt(
                    home, addresses, lines, show_link=not options.background, show_hint=sys.stdin.isatty()
                )
            finally:
                lines.heading("Stopping")


def _stop_supervisor(supervisor: psutil.Process) -> None:
    """Ask the supervisor to stop the platform; kill it after a timeout. Raises PlatformError."""
    try:
        supervisor.terminate()
        supervisor.wait(DOWN_SECONDS)
    except psutil.TimeoutExpired:
        supervisor.kill()
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as error:
        raise PlatformError(f"the platform (process {supervisor.pid}) belongs to another user") from error


def _detach(home: Home, options: list[str]) -> None:
    """Start a supervisor in the background, and show its output until it is ready. Raises PlatformError."""
    from klever.cli.output_lines import Lines  # noqa: PLC0415 - loads HTTP
    from klever.platform.state import read_state  # noqa: PLC0415 - loads psutil

    home.create()
    log = home.log_of("up")
    log.write_bytes(b"")
    with log.open("ab") as output, log.open() as messages:  # what is appended to can be shortened
        process = subprocess.Popen(
            [sys.executable, "-m", "klever.cli", "up", "--background", *options],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            click.echo(messages.read(), err=True, nl=False)
            state = read_state(home.state)
            if state is not None and state.ready and state.supervisor.pid == process.pid:
                asyncio.run(show_login_link(home, state.urls, Lines()))
                click.echo(
                    "The platform runs in the background. Show it with `klever status`, stop it with `klever down`.",
                    err=True,
                )
                return
            time.sleep(0.05)
        click.echo(messages.read(), err=True, nl=False)
    if process.poll() is not None:
        sys.exit(1)  # its output contains the reason
    process.terminate()
    raise PlatformError(f"the platform is not ready after {START_SECONDS:g} s: see {home.logs}")
