"""`klever backup`: backups of the platform."""

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from klever.cli.app import AS_JSON, CommandT, cli, errors_as_lines
from klever.cli.startup import find_nats_server, keep_private
from klever.platform.home import Home
from ormb.console.printing import print_json

if TYPE_CHECKING:
    from klever.backup.reading import Backup
    from klever.backup.transfer import Servers


def SERVERS(command: CommandT) -> CommandT:  # noqa: N802 - used as the other options are
    """Add the options for the servers of a platform elsewhere."""
    for option in (
        click.option("--registry", metavar="URL", help="Its registry. Log in with `ormb login` before."),
        click.option(
            "--nats-credentials",
            type=click.Path(dir_okay=False, path_type=Path),
            help="File with the seed of an operator of that NATS. Default: none, for a NATS without authentication.",
        ),
        click.option(
            "--nats",
            "nats_url",
            metavar="URL",
            help="NATS of a platform elsewhere, in place of this home. Requires --registry.",
        ),
    ):
        command = option(command)
    return command


@cli.group()
def backup() -> None:
    """Create and restore backups: models, documents, events, accounts, credentials and secrets."""


@backup.command()
@AS_JSON
@SERVERS
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def create(
    file: Path, *, nats_url: str | None, nats_credentials: Path | None, registry: str | None, as_json: bool
) -> None:
    """Write a backup of the platform of this home to FILE. The platform can keep running.

    FILE contains secrets: the passwords, tokens and keys of the platform, and the secrets of servings. It is not
    encrypted, and only its owner can read it (mode 0600). Encrypt copies that leave this machine.

    With --nats and --registry, FILE has the models, documents and events of a platform that runs elsewhere, and no
    secrets.

    \b
    klever backup create klever-2026-01-31.backup
    klever backup create klever.backup --nats nats://nats:4222 --registry https://registry.example.com
    """
    from klever.backup.creation import Source, create  # noqa: PLC0415 - loads NATS

    keep_private()
    _require_both(nats_url, registry)
    with errors_as_lines():
        if nats_url is None or registry is None:
            _run(create(Source.of(Home.default()), file, find_nats_server()))
        else:
            from klever.backup.transfer import create_from_servers  # noqa: PLC0415 - loads HTTP

            _run(create_from_servers(_servers(nats_url, nats_credentials, registry), file))
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": size})
        return
    secrets = "It contains secrets; only" if nats_url is None else "Only"
    click.echo(f"{file} has {size} bytes. {secrets} you can read it.")


@backup.command()
@AS_JSON
@SERVERS
@click.option(
    "--replicas", type=click.IntRange(1, 5), default=1, show_default=True, help="Replicas of each stream, with --nats."
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def restore(
    file: Path,
    *,
    nats_url: str | None,
    nats_credentials: Path | None,
    registry: str | None,
    replicas: int,
    as_json: bool,
) -> None:
    """Restore the backup in FILE into this home ($KLEVER_HOME), which must be empty. The backup is verified first.

    With --nats and --registry, models, documents and events are restored into running servers instead, which must not
    have those of a platform; stop its services before. Files of the home are not restored then.

    \b
    klever backup restore klever-2026-01-31.backup
    klever backup restore klever.backup --nats nats://nats:4222 --registry https://registry.example.com
    """
    from klever.backup.verification import verified  # noqa: PLC0415 - loads NATS

    keep_private()
    _require_both(nats_url, registry)
    with errors_as_lines(), verified(file) as content:
        if nats_url is None or registry is None:
            place = _restore_into_home(content)
        else:
            place = _restore_into_servers(content, _servers(nats_url, nats_credentials, registry, replicas))
        created_at = content.header.created_at.isoformat(timespec="seconds")
    if as_json:
        print_json({"restored": place, "createdAt": created_at})
        return
    click.echo(f"{place}: restored, with the state of {created_at}. Start the platform or its services now.")


def _require_both(nats_url: str | None, registry: str | None) -> None:
    if (nats_url is None) is not (registry is None):
        raise click.UsageError("use --nats and --registry together, or neither")


def _restore_into_home(content: "Backup") -> str:
    from klever.backup.restoration import restore_into_home  # noqa: PLC0415 - loads NATS

    home = Home.default()
    _run(restore_into_home(content, home, find_nats_server()))
    return str(home.path)


def _restore_into_servers(content: "Backup", servers: "Servers") -> str:
    from klever.backup.transfer import restore_into_servers  # noqa: PLC0415 - loads HTTP

    _run(restore_into_servers(content, servers))
    return f"{servers.nats_url} and {servers.registry}"


def _servers(nats_url: str, nats_credentials: Path | None, registry: str, replicas: int = 1) -> "Servers":
    from yarl import URL  # noqa: PLC0415 - only this needs it

    from klever.backup.transfer import Servers  # noqa: PLC0415 - loads HTTP

    try:
        url = URL(registry)
    except ValueError as error:
        raise click.BadParameter(f"{registry!r} is not a URL: {error}", param_hint="--registry") from error
    return Servers(nats_url, nats_credentials, url, replicas)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end. Ctrl-C and SIGTERM interrupt it at once, so that incomplete files are removed."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _interrupt)  # asyncio replaces the default handler, and waits for blocking calls
    asyncio.run(work)


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
