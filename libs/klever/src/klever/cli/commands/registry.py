"""`klever registry`: the embedded registry and its catalogue."""

import shlex
import sys
from pathlib import Path

import click

from klever import accounts
from klever.cli.app import AS_JSON, SERVER, call, cli, errors_as_lines
from klever.errors import PlatformError
from klever.platform.home import ACCOUNTS_SETTING, Home
from kleverproto.accounts import PLATFORM_ACCOUNT
from ormb.console.printing import print_json, print_table

ACCOUNTS = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar=ACCOUNTS_SETTING,
    default=lambda: Home.default().accounts,
    show_default="$KLEVER_HOME/accounts.yaml",
    help="File with the accounts.",
)


@cli.group()
def registry() -> None:
    """Manage the embedded registry."""


@registry.command()
@AS_JSON
@SERVER
def rebuild(server: str | None, *, as_json: bool) -> None:
    """Rebuild the catalogue from the content of the registry: manifests, and the signatures attached to models.

    All versions are announced again: subscribers receive ModelPushed for each.

    \b
    klever registry rebuild
    """
    count = call(server, lambda client: client.rebuild_catalogue())
    if as_json:
        print_json({"versions": count})
        return
    click.echo(f"{count} version(s) are announced again; list them with `klever models list`")


@registry.command()
@AS_JSON
def login(*, as_json: bool) -> None:
    """Show how to log in to the registry of this home's platform with other tools.

    `ormb` and `klever` of the user who runs the platform log in automatically.

    \b
    klever registry login
    """
    from klever.platform.state import read_running  # noqa: PLC0415 - loads psutil

    home = Home.default()
    with errors_as_lines():
        state = read_running(home.state)
        if state is None:
            raise PlatformError(f"no platform runs with {home.path}: start it with `klever up`")
    address, password = state.urls.registry.removeprefix("http://"), str(home.registry_password)
    if as_json:
        print_json({"registry": address, "username": PLATFORM_ACCOUNT, "passwordFile": password})
        return
    options = f"login {address} -u {PLATFORM_ACCOUNT} --password-stdin < {shlex.quote(password)}"
    click.echo(f"docker {options}")
    click.echo(f"or with podman, oras, skopeo, cosign or `crane auth`. Write the registry as {address}.", err=True)


@registry.group()
def account() -> None:
    """Manage the accounts that can pull and push."""


@account.command("add")
@click.argument("name")
@click.option(
    "--pull", multiple=True, metavar="PROJECT", help="Project that the account may pull from; '*' is every project."
)
@click.option(
    "--push", multiple=True, metavar="PROJECT", help="Project in which the account may pull, push and delete."
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@ACCOUNTS
def add_account(name: str, pull: tuple[str, ...], push: tuple[str, ...], *, password_stdin: bool, file: Path) -> None:
    """Create an account, or change its password and permissions.

    \b
    klever registry account add ci --push library --pull '*'
    """
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else click.prompt("Password", hide_input=True)
    with errors_as_lines():
        accounts.add(file, name, password, pull=pull, push=push)
    click.echo(
        f"{name} can log in with `ormb login <registry> -u {name}`. A running registry reloads {file} immediately."
    )


@account.command("remove")
@click.argument("name")
@ACCOUNTS
def remove_account(name: str, file: Path) -> None:
    """Remove an account. The models that it has pushed are kept.

    \b
    klever registry account remove ci
    """
    with errors_as_lines():
        accounts.remove(file, name)
    click.echo(f"{name} is removed.")


@account.command("list")
@AS_JSON
@ACCOUNTS
def list_accounts(file: Path, *, as_json: bool) -> None:
    """List the accounts with their permissions.

    \b
    klever registry account list
    """
    with errors_as_lines():
        stored = accounts.read(file)
    if as_json:
        may = [{"name": one.name, "projects": one.projects} for one in stored.accounts]
        print_json({"accounts": may, "anonymousPull": stored.anonymous_pull})
        return
    anonymous = ", ".join(stored.anonymous_pull) or "nothing"
    rows = [(one.name, ", ".join(f"{may} {where}" for where, may in one.projects.items())) for one in stored.accounts]
    print_table([("NAME", "MAY"), *rows, ("(anybody)", f"pull {anonymous}")])


@account.command("anonymous")
@click.argument("projects", nargs=-1)
@ACCOUNTS
def allow_anonymous(projects: tuple[str, ...], file: Path) -> None:
    """Set the projects from which everybody can pull without an account; '*' is every project.

    \b
    klever registry account anonymous library
    """
    with errors_as_lines():
        accounts.allow_anonymous(file, projects)
    click.echo(f"Projects with anonymous pull: {', '.join(projects) or 'none'}.")


@registry.group()
def quota() -> None:
    """Manage the quotas of projects. The size of a project is that of its distinct blobs and open uploads."""


@quota.command("set")
@click.argument("project")
@click.argument("size")
@ACCOUNTS
def set_quota(project: str, size: str, file: Path) -> None:
    """Set the quota of a project. '*' is every project without its own quota; the size `none` removes a quota.

    \b
    klever registry quota set library 10Gi
    """
    with errors_as_lines():
        accounts.set_quota(file, project, size)
    subject = "Each project without its own quota" if project == "*" else f"The project {project}"
    click.echo(f"{subject} has {'no quota' if size == 'none' else f'a quota of {size}'} now.")


@quota.command("list")
@AS_JSON
@ACCOUNTS
def list_quotas(file: Path, *, as_json: bool) -> None:
    """List the quotas.

    \b
    klever registry quota list
    """
    with errors_as_lines():
        stored = accounts.read(file)
    if as_json:
        print_json({"quotas": stored.quotas})
        return
    print_table([("PROJECT", "BYTES"), *((project, str(size)) for project, size in stored.quotas.items())])
