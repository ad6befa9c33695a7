"""`klever deploy`, `apply` and `undeploy`: create, change and delete servings."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from klever.cli.app import NAMESPACE, SERVER, call, cli, waiting
from klever.cli.dry_runs import ClusterOutput, dry_run_options, print_objects
from klever.cli.ignored_options import CLUSTER, refuse_options
from klever.cli.manifest_files import read_manifest_file
from klever.cli.references import ModelRefType
from klever.cli.serving_output import show
from klever.cli.serving_requests import RequestOptions, request_change, request_options
from klever.cli.version_options import VersionOptions, version_options
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingManifest
from kleverproto.servings import ServingDocument
from ormb.console.printing import print_json

if TYPE_CHECKING:
    from klever.client import KleverClient


@cli.command()
@click.argument("ref", type=ModelRefType())
@version_options
@dry_run_options
@request_options()
def deploy(
    ref: ModelRef,
    *,
    version: VersionOptions,
    dry_run: bool,
    output: str,
    cluster: ClusterOutput,
    options: RequestOptions,
) -> None:
    """Serve a model version, or give it a share of a serving's traffic.

    Without --traffic, the version replaces all versions of the serving; they receive requests until it is ready. Other
    settings of the serving do not change. `klever apply` sets all of them.

    \b
    klever deploy library/mymodel:v1 --name mymodel
    klever deploy library/mymodel:v2 --name mymodel --traffic 20
    klever deploy library/mymodel:v3 --name mymodel --strategy canary
    klever deploy library/mymodel:stable --name mymodel --on-push deploy
    klever deploy library/mymodel:v1 --dry-run -o yaml --backend plain
    """
    name, change = version.serving(ref), version.change(ref)
    if dry_run:
        print_objects(
            options.server,
            cluster,
            "json" if options.as_json else output,
            lambda client: client.preview_version(name, change, options.namespace),
        )
        return
    refuse_options(CLUSTER | {"output"}, "requires --dry-run; the deployer's backend decides where servings run")
    done = request_change(options, name, lambda client: client.deploy_version(name, change, options.namespace))
    show(done, as_json=options.as_json)


@cli.command()
@click.option("-f", "--file", "path", required=True, metavar="FILE", help="YAML or JSON file; - is standard input.")
@request_options(has_namespace=False)
def apply(path: str, *, options: RequestOptions) -> None:
    """Create or replace servings from a file. Settings that the file does not contain are removed.

    \b
    klever apply -f serving.yaml
    """
    done = [_apply(manifest, options) for manifest in read_manifest_file(path)]
    if options.as_json:
        print_json([document.model_dump(mode="json") for document in done])
        return
    for document in done:
        show(document, as_json=False)


def _apply(manifest: ServingManifest, options: RequestOptions) -> ServingDocument:
    name, namespace = manifest.metadata.name, manifest.metadata.namespace

    async def replace_spec(client: "KleverClient") -> ServingDocument:
        present = await client.serving(name, namespace)
        return await client.apply(name, manifest.spec, namespace, replacing=present)

    return request_change(replace(options, namespace=namespace), name, replace_spec)


@cli.command()
@click.argument("name")
@click.option("--wait/--no-wait", default=True, help="Wait until all processes have stopped.")
@NAMESPACE
@SERVER
def undeploy(name: str, namespace: str, *, wait: bool, server: str | None) -> None:
    """Delete a serving. Requests in flight are completed.

    \b
    klever undeploy mymodel
    """

    async def delete(client: "KleverClient") -> None:
        await client.delete(name, namespace)
        if wait:
            with waiting(f"undeploying {name}", quiet=False):
                await client.wait_for_deleted(name, namespace)

    call(server, delete)
    click.echo(f"{name}: undeployed")
