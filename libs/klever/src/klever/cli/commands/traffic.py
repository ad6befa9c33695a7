"""`klever traffic` and `scale`: the split of requests between variants, and the number of their processes."""

from typing import Any

import click

from klever.cli.app import cli, errors_as_lines
from klever.cli.serving_output import describe_traffic, show
from klever.cli.serving_requests import RequestOptions, find_serving, request_change, request_options
from klever.errors import InputError
from klever.header_rules import parse_rule
from klever.serving_bodies import checked_change
from kleverproto.serving_changes import ChangeTraffic, ScaleServing
from kleverproto.traffic import Cookie, Mirror, Sticky
from ormb.console.printing import print_json


@cli.command()
@click.argument("name")
@click.argument("weights", nargs=-1, metavar="[VARIANT=PERCENT]...")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="VARIANT:HEADER=VALUE",
    help="Header rule; ^= is a prefix, =~ a regular expression. The first match applies.",
)
@click.option("--no-rules", is_flag=True, help="Remove all rules.")
@click.option("--mirror", metavar="VARIANT[=PERCENT]", help="Copy requests to a variant; its responses are discarded.")
@click.option("--no-mirror", is_flag=True, help="Stop copying.")
@click.option(
    "--sticky-header", metavar="HEADER", help="Send requests with the same value of this header to the same variant."
)
@click.option(
    "--sticky-cookie", metavar="COOKIE", help="Send requests of a client to the same variant, by this cookie."
)
@click.option("--no-sticky", is_flag=True, help="Remove stickiness.")
@request_options()
def traffic(name: str, weights: tuple[str, ...], *, options: RequestOptions, **fields: Any) -> None:
    """Show or change the split of requests between variants. Rules take precedence over weights.

    \b
    klever traffic mymodel
    klever traffic mymodel v1=80 v2=20
    klever traffic mymodel --rule v2:x-user=ann --rule 'v2:x-region^=eu,x-client=~curl.*'
    klever traffic mymodel --mirror v2=10 --sticky-cookie klever
    """
    with errors_as_lines():
        shares, changes = dict(_share(text) for text in weights), _changes(**fields)
        change = checked_change(ChangeTraffic, {"weights": shares} | changes if shares else changes)
    if not change.model_fields_set:
        _show_traffic(name, options)
        return
    done = request_change(options, name, lambda client: client.change_traffic(name, change, options.namespace))
    show(done, as_json=options.as_json)


@cli.command()
@click.argument("name")
@click.option("--variant", help="Scale only this variant.")
@click.option("--replicas", type=click.IntRange(1, 64), help="Fixed number of processes.")
@click.option(
    "--min", "fewest", type=click.IntRange(0, 64), help="Minimum; 0 stops the last process when there are no requests."
)
@click.option(
    "--max", "most", type=click.IntRange(1, 64), help="Maximum; the number of processes follows the requests."
)
@click.option(
    "--target", type=click.FloatRange(min=0, min_open=True), help="Target number of requests in flight per process."
)
@request_options()
def scale(  # noqa: PLR0913 - one parameter for each option
    name: str,
    *,
    variant: str | None,
    replicas: int | None,
    fewest: int | None,
    most: int | None,
    target: float | None,
    options: RequestOptions,
) -> None:
    """Change the number of processes of a serving.

    \b
    klever scale mymodel --replicas 3
    klever scale mymodel --min 0 --max 4 --target 8
    """
    if (replicas is None) == (most is None) or (most is None and (fewest, target) != (None, None)):
        raise click.UsageError("use --replicas for a fixed number, or --max (with --min, --target) to follow the load")
    bounds = _given(minReplicas=fewest, maxReplicas=most, targetInFlight=target)
    with errors_as_lines():
        change = checked_change(ScaleServing, _given(variant=variant, replicas=replicas, autoscaling=bounds or None))
    done = request_change(options, name, lambda client: client.scale(name, change, options.namespace))
    show(done, as_json=options.as_json)


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _show_traffic(name: str, options: RequestOptions) -> None:
    split = find_serving(options.server, name, options.namespace).spec.traffic
    if options.as_json:
        print_json(split)
        return
    for line in describe_traffic(split):
        click.echo(line)


def _share(text: str) -> tuple[str, int]:
    variant, _, percent = text.partition("=")
    if not percent.isdecimal():
        raise InputError(f"{text!r} is not a share: write VARIANT=PERCENT, such as v1=80")
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
    """Return the changed fields of the traffic."""
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
        raise InputError(f"{text!r} is not a mirror: write VARIANT=PERCENT, such as v2=10") from error
