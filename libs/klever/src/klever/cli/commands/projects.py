"""`klever projects`: policies for the models of a project."""

from typing import TYPE_CHECKING

import click

from klever.cli.app import AS_JSON, SERVER, call, cli
from kleverproto.conversions import Quantization
from kleverproto.projects import OnInvalid, OnUnsafe, ProjectPolicy, ProjectPolicyChanges
from modelfiles.unpickling.allowlist import parse_trust
from ormb.console.printing import print_json

if TYPE_CHECKING:
    from klever.client import KleverClient

NOTHING = "none"


def _trusted(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names unchanged. Raises BadParameter if one is invalid or can never be trusted."""
    for name in set(names) - {NOTHING}:
        try:
            parse_trust(name)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return names


@cli.group()
def projects() -> None:
    """Manage projects. The project is the first part of a model's name."""


@projects.group()
def policy() -> None:
    """Manage the policy that applies to models that are pushed into a project."""


@policy.command()
@click.argument("project")
@AS_JSON
@SERVER
def get(project: str, *, as_json: bool, server: str | None) -> None:
    """Show the policy of a project.

    \b
    klever projects policy get library
    """
    _show(call(server, lambda client: client.policy(project)), as_json=as_json)


@policy.command("set")
@click.argument("project")
@click.option(
    "--convert",
    multiple=True,
    metavar="FORMAT",
    help="Format to convert models to, such as ONNX; 'none' for no conversion.",
)
@click.option(
    "--quantize",
    type=click.Choice([*(each.value for each in Quantization), NOTHING]),
    help="Quantize the results; 'none' for no quantization.",
)
@click.option(
    "--scan",
    type=click.Choice([each.value for each in OnUnsafe]),
    help="Action for models that can execute foreign code.",
)
@click.option(
    "--invalid",
    type=click.Choice([each.value for each in OnInvalid]),
    help="Action for models with files that cannot be parsed.",
)
@click.option(
    "--trust",
    multiple=True,
    metavar="MODULE:NAME",
    callback=_trusted,
    help="Class or function that models may load, which executes its code; 'none' removes all trusted names.",
)
@AS_JSON
@SERVER
def set_policy(  # noqa: PLR0913 - what a policy has
    project: str,
    convert: tuple[str, ...],
    quantize: str | None,
    scan: str | None,
    invalid: str | None,
    trust: tuple[str, ...],
    *,
    as_json: bool,
    server: str | None,
) -> None:
    """Change the policy of a project. Other fields keep their values; --trust adds to the trusted names.

    \b
    klever projects policy set library --convert ONNX --quantize int8
    klever projects policy set library --convert none --scan warn
    klever projects policy set library --trust my.module:MyTransformer
    """
    changed: ProjectPolicyChanges = {}
    if convert:
        changed["convert"] = tuple(each for each in convert if each != NOTHING)
    if quantize:
        changed["quantize"] = Quantization(quantize) if quantize != NOTHING else None
    if scan:
        changed["scan"] = OnUnsafe(scan)
    if invalid:
        changed["invalid"] = OnInvalid(invalid)
    if not changed and not trust:
        raise click.UsageError("nothing to change: use --convert, --quantize, --scan, --invalid or --trust")

    async def work(client: "KleverClient") -> ProjectPolicy:
        before = await client.policy(project)
        wanted = before.replace(**changed).replace(trust=merged_trust(before.trust, trust))
        return await client.set_policy(project, wanted)

    _show(call(server, work), as_json=as_json)


def merged_trust(before: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the trusted names with the given ones added; `none` removes the present ones first."""
    remaining = () if NOTHING in names else before
    return tuple(dict.fromkeys((*remaining, *(name for name in names if name != NOTHING))))


def _show(policy_: ProjectPolicy, *, as_json: bool) -> None:
    if as_json:
        print_json(policy_.model_dump(mode="json"))
        return
    click.echo(f"convert:   {', '.join(policy_.convert) or 'nothing'}")
    click.echo(f"quantize:  {policy_.quantize.value if policy_.quantize else 'no'}")
    click.echo(f"scan:      {policy_.scan.value}")
    click.echo(f"invalid:   {policy_.invalid.value}")
    click.echo(f"trust:     {', '.join(policy_.trust) or 'only known names'}")
