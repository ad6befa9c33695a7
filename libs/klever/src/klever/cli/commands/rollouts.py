"""`klever rollout` and `rollback`: from one version to the next, and back."""

from typing import TYPE_CHECKING

import click

from klever.cli.app import AS_JSON, NAMESPACE, SERVER, call, cli, waiting
from klever.cli.serving_output import (
    TIMEOUT,
    WAIT,
    WAIT_FOR_END,
    change,
    describe_rollout,
    describe_step,
    nothing_served,
    show,
)
from klever.rollouts import revision_of
from kleverproto.rollouts import RolloutAction, RolloutPhase
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument

if TYPE_CHECKING:
    from klever.client import KleverClient

ENDS = {RolloutAction.PROMOTE.value: RolloutPhase.PROMOTED, RolloutAction.ABORT.value: RolloutPhase.ROLLED_BACK}
"""How the rollout ends that each of these asks for."""


@cli.command()
@click.argument("name")
@click.argument("action", required=False, type=click.Choice([action.value for action in RolloutAction]))
@WAIT_FOR_END
@TIMEOUT
@NAMESPACE
@AS_JSON
@SERVER
def rollout(  # noqa: PLR0913 - one parameter for each option
    name: str,
    action: str | None,
    timeout: float,
    namespace: str,
    *,
    wait: bool,
    as_json: bool,
    server: str | None,
) -> None:
    """Show the last rollout, or pause, resume, promote or abort the one that is under way.

    `promote` and `abort` return when the rollout has ended, and fail where it ended otherwise.

    \b
    klever rollout mymodel
    klever rollout mymodel pause
    klever rollout mymodel promote
    """
    if action is not None:
        within = timeout if wait and action in ENDS else None
        steered = steer(server, name, namespace, RolloutAction(action), within=within, quiet=as_json)
        if as_json or within is not None:
            show(steered, as_json=as_json)
        else:
            click.echo(f"{name}: `klever rollout {name}` shows what becomes of it")
        if within is not None and (ended := _phase(steered)) is not ENDS[action]:
            raise click.ClickException(f"the rollout of {name} ended as {ended.value if ended else 'replaced'}")
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


def steer(
    server: str | None, name: str, namespace: str, action: RolloutAction, *, within: float | None, quiet: bool
) -> ServingDocument:
    """Steer a rollout, and wait for its end if so many seconds are given."""

    async def work(client: "KleverClient") -> ServingDocument:
        steered = await client.steer(name, action, namespace)
        if within is None or steered.status.rollout is None:
            return steered
        with waiting(f"{action.value} {name}", quiet=quiet):
            return await client.wait_for_rollout(name, steered.status.rollout.generation, namespace, within=within)

    return call(server, work)


def _phase(serving: ServingDocument) -> RolloutPhase | None:
    return serving.status.rollout.phase if serving.status.rollout else None


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
