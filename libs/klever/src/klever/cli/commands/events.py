"""`klever events credentials`: credentials of external systems for NATS."""

from pathlib import Path

import click

from klever.cli.app import AS_JSON, cli, errors_as_lines
from klever.errors import PlatformError
from klever.platform.home import Home
from kleverproto.permissions import publishable_by_externals
from kleverproto.streams import DEAD, STREAMS
from ormb.console.printing import print_json, print_table

READABLE = tuple(subject for stream in STREAMS if stream is not DEAD for subject in stream.subjects)
"""The default subscriptions; dead letters must be named explicitly."""


@cli.group()
def events() -> None:
    """Access of external systems to events on NATS (docs/events.md)."""


@events.command()
@click.argument("name", required=False)
@click.option("--publish", multiple=True, metavar="SUBJECT", help="Subjects that the system may publish to.")
@click.option("--subscribe", multiple=True, metavar="SUBJECT", help="Subjects that the system may subscribe to.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write the credentials to. Default: NAME.nk",
)
@click.option("--list", "listing", is_flag=True, help="List the systems with credentials.")
@click.option("--remove", is_flag=True, help="Revoke the credentials of NAME.")
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
    """Create credentials for an external system: it can publish requests and receive events, but not write documents.

    Without --publish and --subscribe, it may publish all events that docs/events.md lists as from `any`, and receive
    all events except dead letters.

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
            raise click.UsageError("NAME is missing; list the systems with --list")
        elif remove:
            _remove(name)
        else:
            subjects = (publish, subscribe) if publish or subscribe else (publishable_by_externals(), READABLE)
            _add(name, *subjects, output or Path(f"{name}.nk"))


def _add(name: str, publish: tuple[str, ...], subscribe: tuple[str, ...], output: Path) -> None:
    from klever.platform.nats_access import NatsAccess  # noqa: PLC0415 - loads cryptography
    from klever.platform.nats_reload import admitted, reload_nats  # noqa: PLC0415
    from kleverkit.durable import replace_file  # noqa: PLC0415

    home = Home.default()
    if output.exists():
        raise PlatformError(f"{output} already exists: choose another file with --output")
    access = NatsAccess(home.nats_files)
    external, seed = access.add(name, publish=publish, subscribe=subscribe)
    try:
        replace_file(output, f"{seed}\n".encode())
    except OSError:
        access.remove(name)
        raise
    url = reload_nats(home)
    if url and not admitted(url, seed, external.harmless_request, lambda: reload_nats(home)):
        raise PlatformError(f"NATS does not accept {name} yet. See {home.log_of('nats')}, or restart the platform")
    when = "is valid now" if url else "is valid once the platform runs"
    click.echo(f"{output} {when}. Give it only to {name}: it grants all permissions of {name}. Consumers must be")
    click.echo(f"named {name}. docs/events.md has an example.")


def _remove(name: str) -> None:
    from klever.platform.nats_access import NatsAccess  # noqa: PLC0415 - loads cryptography
    from klever.platform.nats_reload import reload_nats  # noqa: PLC0415

    home = Home.default()
    NatsAccess(home.nats_files).remove(name)
    reload_nats(home)
    click.echo(f"The credentials of {name} are revoked.")


def _list(*, as_json: bool) -> None:
    from klever.platform.nats_access import NatsAccess  # noqa: PLC0415 - loads cryptography

    externals = NatsAccess(Home.default().nats_files).externals()
    if as_json:
        print_json([one.model_dump(mode="json", by_alias=True) for one in externals])
        return
    rows = [(one.name, " ".join(one.publish), " ".join(one.subscribe)) for one in externals]
    print_table([("NAME", "MAY PUBLISH", "MAY RECEIVE"), *rows])
