"""`klever deploy`, `apply` and `undeploy`: what should be served."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from klever.cli.app import AS_JSON, NAMESPACE, SERVER, call, cli, errors_as_lines, waiting
from klever.cli.references import ModelRefType
from klever.cli.serving_output import TIMEOUT, WAIT, change, show
from klever.manifests import read_manifests
from klever.rollouts import base_of, variant_name, with_model
from kleverproto.following import OnPush, ServingPolicy
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingManifest, ServingSpec
from kleverproto.servings import ServingDocument
from kleverproto.strategies import BlueGreen, Canary, Recreate, Rolling
from kleverproto.variants import RuntimeName
from ormb.console.printing import print_json

if TYPE_CHECKING:
    from klever.client import KleverClient

STRATEGIES = {"rolling": Rolling, "recreate": Recreate, "blueGreen": BlueGreen, "canary": Canary}


@cli.command()
@click.argument("ref", type=ModelRefType())
@click.option("--name", help="Name of the serving; the model's own name by default.")
@click.option("--traffic", type=click.IntRange(1, 100), help="Percent for this version; the others keep the rest.")
@click.option("--replicas", type=click.IntRange(1, 64), help="Processes of this version; as many as before, or 1.")
@click.option("--runtime", type=click.Choice(get_args(RuntimeName)), help="By the format, if absent.")
@click.option("--strategy", type=click.Choice(list(STRATEGIES)), help="How the new version takes over.")
@click.option(
    "--on-push",
    type=click.Choice([each.value for each in OnPush]),
    help="When a tag is pushed again: keep what serves, or deploy.",
)
@WAIT
@TIMEOUT
@NAMESPACE
@AS_JSON
@SERVER
def deploy(  # noqa: PLR0913 - one parameter for each option
    ref: ModelRef,
    *,
    name: str | None,
    traffic: int | None,
    replicas: int | None,
    runtime: str | None,
    strategy: str | None,
    on_push: str | None,
    timeout: float,
    namespace: str,
    wait: bool,
    as_json: bool,
    server: str | None,
) -> None:
    """Serve a model version, or give it a share of a serving's traffic.

    Without --traffic the version replaces what the serving has: the old one answers until the new one is ready. What
    else was set stays as it is; `klever apply` sets everything.

    \b
    klever deploy library/mymodel:v1 --name mymodel
    klever deploy library/mymodel:v2 --name mymodel --traffic 20
    klever deploy library/mymodel:v3 --name mymodel --strategy canary
    klever deploy library/mymodel:stable --name mymodel --on-push deploy
    """
    chosen = name or variant_name(ModelRef(project=ref.project, model=ref.model, version=ref.model.replace("/", "-")))
    settings: dict[str, Any] = {"runtime": runtime} if runtime else {}

    def edit(present: ServingDocument | None) -> ServingSpec:
        spec = with_model(base_of(present), ref, traffic, replicas, **settings)
        changes = {"strategy": STRATEGIES[strategy]()} if strategy else {}
        policy = {"policy": ServingPolicy(on_push=OnPush(on_push))} if on_push else {}
        return spec.model_copy(update={**changes, **policy})

    done = change(server, chosen, namespace, edit, wait=timeout if wait else None, quiet=as_json, new=True)
    show(done, as_json=as_json)


@cli.command()
@click.option("-f", "--file", "path", required=True, metavar="FILE", help="YAML or JSON; - is standard input.")
@WAIT
@TIMEOUT
@AS_JSON
@SERVER
def apply(path: str, timeout: float, *, wait: bool, as_json: bool, server: str | None) -> None:
    """Serve what a file says; whatever else the serving had goes.

    \b
    klever apply -f serving.yaml
    """
    with errors_as_lines():
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
        manifests = read_manifests(text, "standard input" if path == "-" else path)
    done = [_apply(server, manifest, timeout if wait else None, quiet=as_json) for manifest in manifests]
    if as_json:
        print_json([document.model_dump(mode="json") for document in done])
        return
    for document in done:
        show(document, as_json=False)


def _apply(server: str | None, manifest: ServingManifest, wait: float | None, *, quiet: bool) -> ServingDocument:
    where = manifest.metadata
    return change(server, where.name, where.namespace, lambda _: manifest.spec, wait=wait, quiet=quiet, new=True)


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
