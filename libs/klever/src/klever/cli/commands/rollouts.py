"""`klever rollout` and `rollback`: from one version to the next, and back."""

import click

from klever.cli.app import AS_JSON, NAMESPACE, SERVER, call, cli
from klever.cli.serving_output import (
    TIMEOUT,
    WAIT,
    change,
    describe_rollout,
    describe_step,
    nothing_served,
    show,
)
from klever.rollouts import revision_of
from kleverproto.rollouts import RolloutAction
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument


@cli.command()
@click.argument("name")
@click.argument("action", required=False, type=click.Choice([action.value for action in RolloutAction]))
@NAMESPACE
@AS_JSON
@SERVER
def rollout(name: str, action: str | None, namespace: str, *, as_json: bool, server: str | None) -> None:
    """Show the last rollout, or pause, resume, promote or abort the one that is under way.

    \b
    klever rollout mymodel
    klever rollout mymodel pause
    klever rollout mymodel promote
    """
    if action is not None:
        steered = call(server, lambda client: client.steer(name, RolloutAction(action), namespace))
        if as_json:
            show(steered, as_json=True)
            return
        click.echo(f"{name}: `klever rollout {name}` shows what becomes of it")
        return
    found = call(server, lambda client: client.serving(name, namespace))
    if found is None:
        raise click.ClickException(str(nothing_served(name, namespace)))
    if as_json:
        show(found, as_json=True)
        return
    if found.status.rollout is None:
        click.echo(f"{name} has had no rollout yet")
        return
    for line in describe_rollout(found.status.rollout, name):
        click.echo(line)
    for step in found.status.rollout.steps:
        click.echo(describe_step(step))


@cli.command()
@click.argument("name")
@click.option(
    "--to",
    "generation",
    type=click.IntRange(min=1),
    help="The revision; the last one that served before what is wanted now by default.",
)
@WAIT
@TIMEOUT
@NAMESPACE
@AS_JSON
@SERVER
def rollback(  # noqa: PLR0913 - one parameter for each option
    name: str,
    generation: int | None,
    timeout: float,
    namespace: str,
    *,
    wait: bool,
    as_json: bool,
    server: str | None,
) -> None:
    """Serve an earlier revision again, with all that it said; `klever describe` lists them.

    During a rollout, or after one that failed, this is the revision that serves now: the new version is given up.

    \b
    klever rollback mymodel
    klever rollback mymodel --to 3
    """

    def edit(present: ServingDocument | None) -> ServingSpec:
        if present is None:
            raise nothing_served(name, namespace)
        return revision_of(present, generation)

    done = change(server, name, namespace, edit, wait=timeout if wait else None, quiet=as_json)
    show(done, as_json=as_json)
