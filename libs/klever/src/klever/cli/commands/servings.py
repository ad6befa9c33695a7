"""`klever deploy`, `predict`, `undeploy` and `servings`: models behind a URL."""

from typing import TYPE_CHECKING, Any

import click

from klever import tensors
from klever.cli.app import AS_JSON, NAMESPACE, SERVER, ModelRefType, call, cli, waiting
from klever.cli.inputs import named_value
from klever.errors import InputError
from klever.rollouts import variant_name, with_model
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument
from ormb.cli.output import print_json, print_table

if TYPE_CHECKING:
    from klever.client import KleverClient


@cli.command()
@click.argument("ref", type=ModelRefType())
@click.option("--name", help="Name of the serving; the model's own name by default.")
@click.option("--traffic", type=click.IntRange(1, 100), help="Percent for this version; the others keep the rest.")
@click.option("--replicas", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes of this version.")
@click.option("--wait/--no-wait", default=True, help="Wait until it is served.")
@NAMESPACE
@AS_JSON
@SERVER
def deploy(  # noqa: PLR0913 - one parameter for each option
    ref: ModelRef,
    name: str | None,
    traffic: int | None,
    replicas: int,
    namespace: str,
    *,
    wait: bool,
    as_json: bool,
    server: str | None,
) -> None:
    """Serve a model version, or give it a share of a serving's traffic.

    Without --traffic the version replaces what the serving has: the old one answers until the new one is ready.

    \b
    klever deploy library/mymodel:v1 --name mymodel
    klever deploy library/mymodel:v2 --name mymodel --traffic 20
    """
    chosen = name or variant_name(ModelRef(project=ref.project, model=ref.model, version=ref.model.replace("/", "-")))

    async def work(client: "KleverClient") -> ServingDocument:
        present = await client.serving(chosen, namespace)
        spec = with_model(present.spec if present else None, ref, traffic, replicas)
        wanted = await client.apply(chosen, spec, namespace, replacing=present)
        if not wait:
            return wanted
        with waiting(f"deploying {ref}", quiet=as_json) as tell:
            return await client.wait_for_ready(chosen, wanted.generation, namespace, on_step=tell)

    _show(call(server, work), as_json=as_json)


@cli.command()
@click.argument("name")
@click.option(
    "--input", "inputs", multiple=True, required=True, metavar="NAME=VALUES", help="JSON, or @file with JSON."
)
@NAMESPACE
@AS_JSON
@SERVER
def predict(name: str, inputs: tuple[str, ...], namespace: str, *, as_json: bool, server: str | None) -> None:
    """Ask a served model, through the ingress.

    \b
    klever predict mymodel --input x=@x.json
    klever predict iris --input 'x=[[5.9, 3.0, 5.1, 1.8]]'
    """

    async def work(client: "KleverClient") -> dict[str, Any]:
        values = dict(named_value(text, "--input") for text in inputs)
        serving = await client.serving(name, namespace)
        if serving is None or serving.status.url is None:
            raise InputError(f"nothing is served as {name}: `klever deploy <model> --name {name}`")
        return await client.predict(serving.status.url, values)

    answer = call(server, work)
    if as_json:
        print_json(answer)
        return
    outputs = answer["outputs"]
    columns = [[str(value) for value in tensors.rows(output)] for output in outputs]
    print_table([tuple(o["name"] for o in outputs), *zip(*columns, strict=False)])
    click.echo(f"answered by {answer['model_name']} {answer.get('model_version', '')}", err=True)


@cli.command()
@click.argument("name")
@click.option("--wait/--no-wait", default=True, help="Wait until nothing is left.")
@NAMESPACE
@SERVER
def undeploy(name: str, namespace: str, *, wait: bool, server: str | None) -> None:
    """Stop serving; requests in flight are answered.

    \b
    klever undeploy mymodel
    """

    async def work(client: "KleverClient") -> None:
        await client.delete(name, namespace)
        if wait:
            with waiting(f"undeploying {name}", quiet=False):
                await client.wait_for_deleted(name, namespace)

    call(server, work)
    click.echo(f"{name}: undeployed")


@cli.group()
def servings() -> None:
    """What is served."""


@servings.command("list")
@AS_JSON
@SERVER
def list_servings(*, as_json: bool, server: str | None) -> None:
    """List servings of all namespaces.

    \b
    klever servings list
    """
    found = call(server, lambda client: client.servings())
    if as_json:
        print_json([document.model_dump(mode="json") for document in found])
    elif not found:
        click.echo("Nothing is served. Deploy a model: klever deploy library/mymodel:v1 --name mymodel")
    else:
        print_table([("NAMESPACE", "NAME", "PHASE", "TRAFFIC", "URL"), *(_row(document) for document in found)])


@servings.command()
@click.argument("name")
@NAMESPACE
@AS_JSON
@SERVER
def get(name: str, namespace: str, *, as_json: bool, server: str | None) -> None:
    """Show a serving: what runs, and how the traffic is spread.

    \b
    klever servings get mymodel
    """
    found = call(server, lambda client: client.serving(name, namespace))
    if found is None:
        raise click.ClickException(f"nothing is served as {namespace}/{name}: `klever servings list` shows what is")
    _show(found, as_json=as_json)


def _show(document: ServingDocument, *, as_json: bool) -> None:
    if as_json:
        print_json(document.model_dump(mode="json"))
        return
    status = document.status
    click.echo(
        f"serving:    {document.namespace}/{document.name}, generation {document.generation}, {status.phase.value}"
    )
    for variant in status.variants:
        running = f"{variant.ready_replicas} of {variant.replicas} ready"
        click.echo(f"variant:    {variant.name}  {variant.model}  {variant.weight} %  {running}  {variant.digest[:19]}")
    if status.problem:
        click.echo(f"problem:    {status.problem.code}: {status.problem.message}")
    if status.url:
        click.echo(f"url:        {status.url}")


def _row(document: ServingDocument) -> tuple[str, ...]:
    weights = document.spec.traffic.weights
    traffic = ", ".join(f"{variant.model} {weights.get(variant.name, 0)} %" for variant in document.spec.variants)
    return document.namespace, document.name, document.status.phase.value, traffic, document.status.url or "-"
