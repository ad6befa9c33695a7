"""`klever diff`: what `klever deploy` or `klever apply` would change."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from klever.cli.app import NAMESPACE, SERVER, call, cli, errors_as_lines
from klever.cli.dry_runs import ClusterOutput, cluster_options
from klever.cli.ignored_options import CLUSTER, VERSION, refuse_options
from klever.cli.manifest_files import read_manifest_file
from klever.cli.references import ModelRefType
from klever.cli.version_options import VersionOptions, version_options
from klever.differences import objects_difference, serving_difference
from klever.errors import InputError
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingManifest
from kleverproto.servings import ServingDocument

if TYPE_CHECKING:
    from klever.client import KleverClient
    from kleverkube.manifest import Manifest

DIFFERENT, FAILED = 1, 2
"""Exit codes, as those of `kubectl diff`."""
Preview = Callable[["KleverClient"], Awaitable[ServingDocument]]


class DiffError(click.ClickException):
    """The difference cannot be determined."""

    exit_code = FAILED


@cli.command()
@click.argument("ref", type=ModelRefType(), required=False)
@click.option("-f", "--file", "path", metavar="FILE", help="YAML or JSON file; - is standard input.")
@version_options
@cluster_options(required=False)
@NAMESPACE
@SERVER
def diff(
    ref: ModelRef | None,
    *,
    path: str | None,
    version: VersionOptions,
    cluster: ClusterOutput | None,
    namespace: str,
    server: str | None,
) -> None:
    """Show what `klever deploy REF` or `klever apply -f FILE` would change, and change nothing.

    Prints the difference between the present and the new document. With --backend, it renders the Kubernetes objects of
    both documents and prints their difference. It does not read a cluster: to compare the new objects with those on a
    cluster, pipe `klever deploy REF --dry-run` to `kubectl diff -f -`. The exit code is 0 without a difference, 1 with
    one, and 2 after an error.

    \b
    klever diff library/mymodel:v2 --name mymodel --traffic 20
    klever diff -f serving.yaml
    klever diff -f serving.yaml --backend plain
    """
    if (ref is None) == (path is None):
        raise click.UsageError("give either a model version or --file")
    if path is not None:
        refuse_options(VERSION | {"namespace"}, "not used with --file, whose documents contain all settings")
    if cluster is None:
        refuse_options(CLUSTER, "requires --backend")
    try:
        previews = [_of_version(ref, version, namespace)] if ref is not None else _of_file(path or "")
        text = "".join(call(server, partial(_difference, preview, cluster)) for preview in previews)
    except click.ClickException as error:
        raise DiffError(error.message) from error
    click.echo(text, nl=False)
    sys.exit(DIFFERENT if text else 0)


def _of_version(ref: ModelRef, version: VersionOptions, namespace: str) -> Preview:
    with errors_as_lines():
        change = version.change(ref)
    return lambda client: client.preview_version(version.serving(ref), change, namespace)


def _of_file(path: str) -> list[Preview]:
    return [partial(_preview_manifest, manifest) for manifest in read_manifest_file(path)]


async def _preview_manifest(manifest: ServingManifest, client: "KleverClient") -> ServingDocument:
    return await client.preview_spec(manifest.metadata.name, manifest.spec, manifest.metadata.namespace)


async def _difference(preview: Preview, cluster: ClusterOutput | None, client: "KleverClient") -> str:
    wanted = await preview(client)
    present = await client.serving(wanted.name, wanted.namespace)
    if cluster is None:
        return serving_difference(present, wanted)
    before = await _present_objects(present, cluster, client) if present is not None else []
    return objects_difference(before, await cluster.objects(client, wanted))


async def _present_objects(
    present: ServingDocument, cluster: ClusterOutput, client: "KleverClient"
) -> list["Manifest"]:
    try:
        return await cluster.objects(client, present)
    except InputError as error:
        hint = "Compare the documents, without --backend"
        raise InputError(f"the present serving cannot be rendered: {error}. {hint}") from error
