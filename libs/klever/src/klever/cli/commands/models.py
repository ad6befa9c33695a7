"""`klever models`: the versions of models in the catalogue."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from klever.cli.app import AS_JSON, SERVER, call, cli, waiting
from klever.cli.conversions import describe_error
from klever.cli.references import ModelRefType
from kleverproto.conversions import CONVERTED_FROM, MEASURED_ERROR, UNVERIFIED
from kleverproto.models import ExtractionPhase, ModelDocument
from kleverproto.references import ModelRef, names_registry
from ormb.console.descriptions import describe_scan, describe_signature
from ormb.console.printing import print_json, print_table

if TYPE_CHECKING:
    from klever.client import KleverClient


@cli.group()
def models() -> None:
    """Manage the models in the catalogue."""


@models.command("list")
@click.option("--project", help="Show only models of this project.")
@click.option("--format", "format_name", help="Show only models of this format, such as ONNX.")
@AS_JSON
@SERVER
def list_models(project: str | None, format_name: str | None, *, as_json: bool, server: str | None) -> None:
    """List model versions.

    \b
    klever models list --format ONNX
    """
    filters = {key: value for key, value in (("project", project), ("format", format_name)) if value}
    documents = call(server, lambda client: client.models(**filters))
    if as_json:
        print_json([document.model_dump(mode="json") for document in documents])
    elif not documents:
        click.echo("No models. Push one: ormb push ./mymodel localhost:5000/library/mymodel:v1")
    else:
        print_table(
            [
                ("MODEL", "FORMAT", "DIGEST", "SIGNATURE", "VERIFIED", "PUSHED"),
                *(row(document) for document in documents),
            ]
        )


@models.command()
@click.argument("ref", type=ModelRefType())
@click.option("--wait/--no-wait", default=True, help="Wait until the model has been parsed.")
@AS_JSON
@SERVER
def get(ref: ModelRef, *, wait: bool, as_json: bool, server: str | None) -> None:
    """Show a model version: its signature, metadata and layers.

    \b
    klever models get library/mymodel:v1
    """

    async def work(client: "KleverClient") -> ModelDocument:
        document = await client.model(ref)
        if wait and document.status.extraction is ExtractionPhase.PENDING:
            with waiting(f"parsing {ref}", quiet=as_json):
                await _parsed(client, ref)
            document = await client.model(ref)
        return document

    document = call(server, work)
    if as_json:
        print_json(document.model_dump(mode="json"))
        return
    for line in describe(document):
        click.echo(line)


@models.command()
@click.argument("name", metavar="PROJECT/MODEL[:VERSION]")
@click.option("--yes", "-y", "is_confirmed", is_flag=True, help="Do not ask for confirmation.")
@click.option("--wait/--no-wait", default=True, help="Wait until the deletion has finished.")
@SERVER
def delete(name: str, *, is_confirmed: bool, wait: bool, server: str | None) -> None:
    """Delete a version, or all versions of a model. Served versions are not deleted; other tags of the digest are kept.

    \b
    klever models delete library/mymodel:v1
    klever models delete library/mymodel --yes
    """
    one = ":" in name.rpartition("/")[2]
    if names_registry(name) and not one:
        raise click.UsageError(f"{name} contains a registry: write PROJECT/MODEL as in `klever models list`")
    ref = ModelRefType().convert(name if one else f"{name}:all", None, click.get_current_context())
    if not is_confirmed:
        click.confirm(f"Delete {ref if one else f'all versions of {ref.repository}'}?", abort=True, err=True)

    async def work(client: "KleverClient") -> list[ModelDocument]:
        versions = [await client.delete_model(ref)] if one else await client.delete_versions(ref.project, ref.model)
        if wait:
            with waiting(f"deleting {name}", quiet=False):
                for version in versions:
                    await client.wait_for_model_deleted(version)
        return versions

    for version in call(server, work):
        click.echo(f"{version.spec.ref}: {'deleted' if wait else 'will be deleted'}")


async def _parsed(client: "KleverClient", ref: ModelRef) -> None:
    from klever.errors import FailedError  # noqa: PLC0415 - one use

    try:
        await client.wait_for_signature(ref, within=30)
    except FailedError:
        return  # the document contains the problem, and is shown


def describe(document: ModelDocument) -> Iterator[str]:
    """Return the lines that describe a model version."""
    spec, status = document.spec, document.status
    yield f"model:       {spec.ref}"
    yield f"digest:      {spec.digest}"
    yield f"size:        {spec.size} bytes in {len(spec.layers)} layers"
    yield f"format:      {document.format or 'unknown'}"
    for name, value in (("framework", spec.metadata.framework), ("author", spec.metadata.author)):
        if value:
            yield f"{name + ':':12} {value}"
    if source := spec.metadata.labels.get(CONVERTED_FROM):
        yield f"source:      {source}"
        yield f"verified:    {_verified(spec.metadata.labels)}"
    if spec.metadata.description:
        yield f"description: {spec.metadata.description}"
    yield f"signature:   {status.extraction.value}"
    if status.problem:
        yield f"  {status.problem.code}: {status.problem.message}"
    if status.signature:
        yield from describe_signature(status.signature)
    yield from (f"  warning: {warning}" for warning in status.warnings)
    if status.scan:
        yield from describe_scan(status.scan)


def row(document: ModelDocument) -> tuple[str, ...]:
    """Return the row of a version in the list."""
    spec = document.spec
    pushed = document.updated_at.strftime("%Y-%m-%d %H:%M")
    name, extraction = document.format or "-", document.status.extraction.value
    return str(spec.ref), name, spec.digest[7:19], extraction, _mark(spec.metadata.labels), pushed


def _mark(labels: Mapping[str, str]) -> str:
    """Return whether a converted model was compared with its source; `-` if the model was not converted."""
    if UNVERIFIED in labels:
        return "no"
    return "yes" if MEASURED_ERROR in labels else "-"


def _verified(labels: Mapping[str, str]) -> str:
    if UNVERIFIED in labels:
        return f"no, {labels[UNVERIFIED]}"
    try:
        return describe_error(float(labels[MEASURED_ERROR]))
    except (KeyError, ValueError):
        return "not known"
