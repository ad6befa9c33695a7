"""`klever rollout` and `rollback`: control rollouts, and return to an earlier revision."""

from typing import TYPE_CHECKING

import click

from klever.cli.app import call, cli, waiting
from klever.cli.serving_output import describe_rollout, describe_step, show
from klever.cli.serving_requests import RequestOptions, find_serving, request_change, request_options
from kleverproto.rollouts import RolloutAction, RolloutPhase
from kleverproto.servings import ServingDocument

if TYPE_CHECKING:
    from klever.client import KleverClient

ENDS = {RolloutAction.PROMOTE: RolloutPhase.PROMOTED, RolloutAction.ABORT: RolloutPhase.ROLLED_BACK}
"""The final phase of the rollout after each of these actions."""


@cli.command()
@click.argument("name")
@click.argument("action", required=False, type=click.Choice([action.value for action in RolloutAction]))
@request_options("Wait until the rollout has finished.")
def rollout(name: str, action: str | None, *, options: RequestOptions) -> None:
    """Show the last rollout, or pause, resume, promote or abort the one in progress.

    `promote` and `abort` wait until the rollout has finished, and fail if it finished otherwise.

    \b
    klever rollout mymodel
    klever rollout mymodel pause
    klever rollout mymodel promote
    """
    if action is None:
        _show_rollout(find_serving(options.server, name, options.namespace), as_json=options.as_json)
        return
    chosen = RolloutAction(action)
    steered = _steer(name, chosen, options)
    waits = chosen in ENDS and options.within is not None
    if options.as_json or waits:
        show(steered, as_json=options.as_json)
    else:
        click.echo(f"{name}: `klever rollout {name}` shows its progress")
    if waits and (phase := _phase(steered)) is not ENDS[chosen]:
        raise click.ClickException(f"the rollout of {name} finished as {phase.value if phase else 'replaced'}")


def _steer(name: str, action: RolloutAction, options: RequestOptions) -> ServingDocument:
    """Control a rollout, and wait until it has finished if the action finishes it."""

    async def steer(client: "KleverClient") -> ServingDocument:
        steered, namespace = await client.steer(name, action, options.namespace), options.namespace
        rollout = steered.status.rollout
        if options.within is None or action not in ENDS or rollout is None:
            return steered
        with waiting(f"{action.value} {name}", quiet=options.as_json):
            return await client.wait_for_rollout(name, rollout.generation, namespace, within=options.within)

    return call(options.server, steer)


def _show_rollout(serving: ServingDocument, *, as_json: bool) -> None:
    if as_json:
        show(serving, as_json=True)
        return
    rollout = serving.status.rollout
    if rollout is None:
        click.echo(f"{serving.name} has no rollouts")
        return
    for line in (*describe_rollout(rollout, serving.name), *map(describe_step, rollout.steps)):
        click.echo(line)


def _phase(serving: ServingDocument) -> RolloutPhase | None:
    return serving.status.rollout.phase if serving.status.rollout else None


@cli.command()
@click.argument("name")
@click.option(
    "--to",
    "generation",
    type=click.IntRange(min=1),
    help="Revision to return to. Default: the last one that served before the current one.",
)
@request_options()
def rollback(name: str, generation: int | None, *, options: RequestOptions) -> None:
    """Return to an earlier revision, with its complete spec. `klever describe` lists the revisions.

    During a rollout, or after a failed one, the default is the revision that serves now: the new version is abandoned.

    \b
    klever rollback mymodel
    klever rollback mymodel --to 3
    """
    done = request_change(
        options, name, lambda client: client.roll_back(name, options.namespace, generation=generation)
    )
    show(done, as_json=options.as_json)
