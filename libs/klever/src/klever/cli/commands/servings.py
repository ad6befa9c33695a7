"""`klever get`, `describe`, `logs` and `predict`: show servings and use them."""

from typing import TYPE_CHECKING, Any

import click

from klever import tensors
from klever.cli.app import AS_JSON, NAMESPACE, SERVER, call, cli, errors_as_lines
from klever.cli.inputs import named_value
from klever.cli.serving_output import describe_sandboxes, describe_step, describe_traffic, show, summary
from klever.cli.serving_requests import find_serving
from klever.errors import InputError
from kleverproto.following import OnPush
from kleverproto.servings import ServingDocument
from ormb.console.printing import print_json, print_table

if TYPE_CHECKING:
    from klever.client import KleverClient


@cli.command()
@click.argument("name", required=False)
@click.option("-n", "--namespace", help="Show only this namespace. With a name, the default is `default`.")
@AS_JSON
@SERVER
def get(name: str | None, namespace: str | None, *, as_json: bool, server: str | None) -> None:
    """List servings, or show one serving.

    \b
    klever get
    klever get mymodel
    """
    if name is not None:
        show(find_serving(server, name, namespace or "default"), as_json=as_json)
        return
    servings = call(server, lambda client: client.servings(namespace))
    if as_json:
        print_json([document.model_dump(mode="json") for document in servings])
    elif not servings:
        click.echo("No servings. Deploy a model: klever deploy library/mymodel:v1 --name mymodel")
    else:
        print_table([("NAMESPACE", "NAME", "PHASE", "TRAFFIC", "URL"), *(row(document) for document in servings)])


@cli.command()
@click.argument("name")
@NAMESPACE
@AS_JSON
@SERVER
def describe(name: str, namespace: str, *, as_json: bool, server: str | None) -> None:
    """Show the details of a serving: traffic, rollout, revisions, events.

    \b
    klever describe mymodel
    """
    serving = find_serving(server, name, namespace)
    events = call(server, lambda client: client.serving_events(name, namespace))
    if as_json:
        print_json({"serving": serving, "events": events})
        return
    for line in (*summary(serving), *describe_traffic(serving.spec.traffic), *describe_sandboxes(serving)):
        click.echo(line)
    if serving.spec.policy.on_push is OnPush.DEPLOY:
        click.echo("on push:    deploy the variants' tags when they are pushed again")
    if serving.status.rollout and serving.status.rollout.steps:
        click.echo("steps:")
        for step in serving.status.rollout.steps:
            click.echo(describe_step(step))
    if serving.status.revisions:
        click.echo("revisions:")
        for revision in serving.status.revisions:
            models = ", ".join(variant.model for variant in revision.spec.variants)
            click.echo(f"  {revision.generation:3d}  {revision.ready_at:%Y-%m-%d %H:%M:%S}  {models}")
    click.echo("events:")
    for event in events:
        detail = getattr(event.data, "step", "") or _problem(event.data)
        click.echo(f"  {event.time:%H:%M:%S}  {event.type.removeprefix('dev.klever.')}  {detail}".rstrip())


@cli.command()
@click.argument("name")
@click.option("--variant", help="Show only this variant.")
@click.option("--follow", "-f", is_flag=True, help="Follow the logs.")
@NAMESPACE
@SERVER
def logs(name: str, variant: str | None, namespace: str, *, follow: bool, server: str | None) -> None:
    """Show the logs of the model servers of a serving.

    \b
    klever logs mymodel
    klever logs --follow --variant v2 mymodel
    """

    async def work(client: "KleverClient") -> None:
        async for line in client.serving_log(name, namespace, variant=variant, follow=follow):
            click.echo(line)

    call(server, work)


@cli.command()
@click.argument("name")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    required=True,
    metavar="[NAME=]VALUES",
    help="JSON, or @file: .json, .csv, .npy, .npz, a picture, or a V2 request.",
)
@click.option(
    "--pixels", type=click.Choice(["0..255", "0..1", "-1..1"]), help="Range to which pixel values are scaled."
)
@click.option(
    "--header", "headers", multiple=True, metavar="NAME=VALUE", help="HTTP header of the request, for header rules."
)
@NAMESPACE
@AS_JSON
@SERVER
def predict(  # noqa: PLR0913 - one parameter for each option
    name: str,
    inputs: tuple[str, ...],
    pixels: str | None,
    headers: tuple[str, ...],
    namespace: str,
    *,
    as_json: bool,
    server: str | None,
) -> None:
    """Send a request to a served model through the ingress.

    \b
    klever predict mymodel --input x=@x.json
    klever predict iris --input 'x=[[5.9, 3.0, 5.1, 1.8]]'
    klever predict iris --input @flowers.csv
    klever predict house --input '{"rooms": [4], "town": ["Bonn"]}'
    klever predict iris --input @request.json
    klever predict resnet --input @cat.jpg
    """
    with errors_as_lines():
        values = dict(named_value(text, "--input", pixels) for text in inputs)
        sent = dict(_header(text) for text in headers)
    answer = call(server, lambda client: client.predict(name, values, namespace, headers=sent))
    if as_json:
        print_json(answer)
        return
    outputs = answer["outputs"]
    columns = [[_readable(value) for value in tensors.rows(output)] for output in outputs]
    print_table([tuple(o["name"] for o in outputs), *zip(*columns, strict=False)])
    click.echo(f"answered by {answer.get('model_name', name)} {answer.get('model_version', '')}", err=True)


def _problem(data: Any) -> str:
    problem = getattr(data, "problem", None)
    return f"{problem.code}: {problem.message}" if problem else ""


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{text!r} is not a header: write --header <name>=<value>")
    return name, value


def _readable(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_readable(each) for each in value) + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def row(document: ServingDocument) -> tuple[str, ...]:
    """Return the row of a serving in the list."""
    weights = document.spec.traffic.weights
    unverified = {(running.name, running.digest) for running in document.status.variants if running.unverified}
    traffic = ", ".join(
        f"{each.model} {weights.get(each.name, 0)} %{' not verified' if (each.name, each.digest) in unverified else ''}"
        for each in document.spec.variants
    )
    return document.namespace, document.name, document.status.phase.value, traffic, document.status.url or "-"
