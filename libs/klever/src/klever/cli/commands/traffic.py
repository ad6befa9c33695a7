"""`klever traffic` and `scale`: how requests are spread, and over how many processes."""

from typing import Any

import click

from klever.cli.app import AS_JSON, NAMESPACE, SERVER, call, cli, errors_as_lines
from klever.cli.serving_output import TIMEOUT, WAIT, change, describe_traffic, nothing_served, show
from klever.errors import InputError
from klever.header_rules import parse_rule
from klever.rollouts import base_of, check_variants, with_scale, with_traffic
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument
from kleverproto.traffic import Cookie, Mirror, Sticky
from kleverproto.variants import Autoscaling
from ormb.console.printing import print_json


@cli.command()
@click.argument("name")
@click.argument("weights", nargs=-1, metavar="[VARIANT=PERCENT]...")
@click.option(
    "--rule", "rules", multiple=True, metavar="VARIANT:HEADER=VALUE", help="In this order; ^= prefix, =~ regex."
)
@click.option("--no-rules", is_flag=True, help="Take all rules away.")
@click.option("--mirror", metavar="VARIANT[=PERCENT]", help="Copy requests to a variant too.")
@click.option("--no-mirror", is_flag=True, help="Copy no more.")
@click.option("--sticky-header", metavar="HEADER", help="Same value of the header, same variant.")
@click.option("--sticky-cookie", metavar="COOKIE", help="A cookie keeps a client at its variant.")
@click.option("--no-sticky", is_flag=True, help="Let clients move between variants.")
@WAIT
@TIMEOUT
@NAMESPACE
@AS_JSON
@SERVER
def traffic(  # noqa: PLR0913 - one parameter for each option
    name: str,
    weights: tuple[str, ...],
    timeout: float,
    namespace: str,
    *,
    wait: bool,
    as_json: bool,
    server: str | None,
    **options: Any,
) -> None:
    """Show how requests are spread, or change it; rules come before the weights.

    \b
    klever traffic mymodel
    klever traffic mymodel v1=80 v2=20
    klever traffic mymodel --rule v2:x-user=ann --rule 'v2:x-region^=eu,x-client=~curl.*'
    klever traffic mymodel --mirror v2=10 --sticky-cookie klever
    """
    with errors_as_lines():
        shares, changes = dict(_share(text) for text in weights), _changes(**options)
    if not shares and not changes:
        _show_traffic(server, name, namespace, as_json=as_json)
        return

    def edit(present: ServingDocument | None) -> ServingSpec:
        base = _base(present)
        check_variants(base, name, shares)
        return with_traffic(base, shares, **changes)

    done = change(server, name, namespace, edit, wait=timeout if wait else None, quiet=as_json)
    show(done, as_json=as_json)


@cli.command()
@click.argument("name")
@click.option("--variant", help="Only this one.")
@click.option("--replicas", type=click.IntRange(1, 64), help="A fixed number of processes.")
@click.option("--min", "fewest", type=click.IntRange(0, 64), help="Fewest; 0 ends the last one when nobody asks.")
@click.option("--max", "most", type=click.IntRange(1, 64), help="Most; with --min the number follows the requests.")
@click.option("--target", type=click.FloatRange(min=0, min_open=True), help="Requests in flight for each process.")
@WAIT
@TIMEOUT
@NAMESPACE
@AS_JSON
@SERVER
def scale(  # noqa: PLR0913 - one parameter for each option
    name: str,
    *,
    variant: str | None,
    replicas: int | None,
    fewest: int | None,
    most: int | None,
    target: float | None,
    timeout: float,
    namespace: str,
    wait: bool,
    as_json: bool,
    server: str | None,
) -> None:
    """Change how many processes serve.

    \b
    klever scale mymodel --replicas 3
    klever scale mymodel --min 0 --max 4 --target 8
    """
    if (replicas is None) == (most is None) or (most is None and (fewest, target) != (None, None)):
        raise click.UsageError("give --replicas for a fixed number, or --max (with --min, --target) to follow the load")
    given = {"min_replicas": fewest, "max_replicas": most, "target_in_flight": target}
    chosen = {key: value for key, value in given.items() if value is not None}
    if most is not None and (fewest or 0) > most:
        raise click.UsageError(f"--min {fewest} is above --max {most}")
    bounds = Autoscaling.model_validate(chosen) if most is not None else None

    def edit(present: ServingDocument | None) -> ServingSpec:
        base = _base(present)
        check_variants(base, name, [variant] if variant else [])
        return with_scale(base, variant, replicas, bounds)

    done = change(server, name, namespace, edit, wait=timeout if wait else None, quiet=as_json)
    show(done, as_json=as_json)


def _base(present: ServingDocument | None) -> ServingSpec:
    base = base_of(present)
    if base is None:
        raise InputError("nothing is served under this name")
    return base


def _show_traffic(server: str | None, name: str, namespace: str, *, as_json: bool) -> None:
    found = call(server, lambda client: client.serving(name, namespace))
    if found is None:
        raise click.ClickException(str(nothing_served(name, namespace)))
    if as_json:
        print_json(found.spec.traffic)
        return
    for line in describe_traffic(found.spec.traffic):
        click.echo(line)


def _share(text: str) -> tuple[str, int]:
    variant, _, percent = text.partition("=")
    if not percent.isdecimal():
        raise InputError(f"{text!r} is no share: write VARIANT=PERCENT, such as v1=80")
    return variant, int(percent)


def _changes(  # noqa: PLR0913 - one parameter for each option
    *,
    rules: tuple[str, ...],
    no_rules: bool,
    mirror: str | None,
    no_mirror: bool,
    sticky_header: str | None,
    sticky_cookie: str | None,
    no_sticky: bool,
) -> dict[str, Any]:
    """The fields of the traffic that are to change."""
    changes: dict[str, Any] = {}
    if rules or no_rules:
        changes["rules"] = tuple(parse_rule(text) for text in rules)
    if mirror or no_mirror:
        changes["mirror"] = _mirror(mirror) if mirror else None
    if sticky_header or sticky_cookie or no_sticky:
        cookie = Cookie(name=sticky_cookie) if sticky_cookie else None
        header = sticky_header.lower() if sticky_header else None
        changes["sticky"] = Sticky(header=header, cookie=cookie) if header or cookie else None
    return changes


def _mirror(text: str) -> Mirror:
    variant, equals, percent = text.partition("=")
    try:
        return Mirror(variant=variant, percent=float(percent)) if equals else Mirror(variant=variant)
    except ValueError as error:
        raise InputError(f"{text!r} is no mirror: write VARIANT=PERCENT, such as v2=10") from error
