"""`klever events credentials`: who, outside the platform, may publish and receive events on NATS."""

from pathlib import Path

import click

from klever.cli.app import AS_JSON, cli, errors_as_lines
from klever.errors import PlatformError
from klever.platform.home import Home
from kleverproto.permissions import publishable_by_externals
from kleverproto.streams import DEAD, STREAMS
from ormb.console.printing import print_json, print_table

READABLE = tuple(subject for stream in STREAMS if stream is not DEAD for subject in stream.subjects)
"""What is subscribed to where nothing is said; dead letters must be named."""


@cli.group()
def events() -> None:
    """Events on NATS, for systems outside the platform (docs/events.md)."""


@events.command()
@click.argument("name", required=False)
@click.option("--publish", multiple=True, metavar="SUBJECT", help="Let it publish these events.")
@click.option("--subscribe", multiple=True, metavar="SUBJECT", help="Let it receive these events.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where the credentials go; NAME.nk by default."
)
@click.option("--list", "listing", is_flag=True, help="Show who has credentials.")
@click.option("--remove", is_flag=True, help="Refuse NAME from now on.")
@AS_JSON
def credentials(  # noqa: PLR0913 - its options
    name: str | None,
    publish: tuple[str, ...],
    subscribe: tuple[str, ...],
    output: Path | None,
    *,
    listing: bool,
    remove: bool,
    as_json: bool,
) -> None:
    """Let a system outside the platform publish requests and receive events; it can never write documents.

    Without --publish and --subscribe it may publish every event that docs/events.md lists as from `any`, and receive
    every event except dead letters.

    \b
    klever events credentials my-service
    klever events credentials ci --publish 'klever.model.pushed.library.*'
    klever events credentials --list
    klever events credentials my-service --remove
    """
    with errors_as_lines():
        if listing:
            _list(as_json=as_json)
        elif name is None:
            raise click.UsageError("NAME is missing; --list shows who has credentials")
        elif remove:
            _remove(name)
        else:
            chosen = (publish, subscribe) if publish or subscribe else (publishable_by_externals(), READABLE)
            _add(name, *chosen, output or Path(f"{name}.nk"))


def _add(name: str, publish: tuple[str, ...], subscribe: tuple[str, ...], output: Path) -> None:
    from klever.platform.nats_access import NatsAccess  # noqa: PLC0415 - loads cryptography
    from klever.platform.nats_reload import admitted, reload_nats  # noqa: PLC0415
    from kleverkit.durable import replace_file  # noqa: PLC0415

    home = Home.default()
    if output.exists():
        raise PlatformError(f"{output} exists: choose another file with --output")
    access = NatsAccess(home.nats_files)
    external, seed = access.add(name, publish=publish, subscribe=subscribe)
    try:
        replace_file(output, f"{seed}\n".encode())
    except OSError:
        access.remove(name)
        raise
    url = reload_nats(home)
    if url and not admitted(url, seed, external.harmless_request, lambda: reload_nats(home)):
        raise PlatformError(f"NATS does not accept {name} yet: see {home.log_of('nats')}, or restart the platform")
    when = "works now" if url else "works once the platform runs"
    click.echo(f"{output} {when}. Give it to {name} alone; who has it may do what {name} may. Its consumers have to be")
    click.echo(f"named {name}. docs/events.md has an example.")


def _remove(name: str) -> None:
    from klever.platform.nats_access import NatsAccess  # noqa: PLC0415 - loads cryptography
    from klever.platform.nats_reload import reload_nats  # noqa: PLC0415

    home = Home.default()
    NatsAccess(home.nats_files).remove(name)
    reload_nats(home)
    click.echo(f"{name} is refused from now on.")


def _list(*, as_json: bool) -> None:
    from klever.platform.nats_access import NatsAccess  # noqa: PLC0415 - loads cryptography

    known = NatsAccess(Home.default().nats_files).externals()
    if as_json:
        print_json([one.model_dump(mode="json", by_alias=True) for one in known])
        return
    rows = [(one.name, " ".join(one.publish), " ".join(one.subscribe)) for one in known]
    print_table([("NAME", "MAY PUBLISH", "MAY RECEIVE"), *rows])
