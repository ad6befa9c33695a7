"""`klever jobs`: what the platform did with a model, and why it failed."""

import click

from klever.cli.app import AS_JSON, NAMESPACE, SERVER, ModelRefType, call, cli, print_json, print_table
from kleverproto.jobs import JobDocument
from kleverproto.references import ModelRef


@cli.group()
def jobs() -> None:
    """Jobs that parse models."""


@jobs.command("list")
@NAMESPACE
@AS_JSON
@SERVER
def list_jobs(namespace: str, *, as_json: bool, server: str | None) -> None:
    """List jobs.

    \b
    klever jobs list
    klever jobs list --json
    """
    found = call(server, lambda client: client.jobs(namespace))
    if as_json:
        print_json([document.model_dump(mode="json") for document in found])
    elif not found:
        click.echo("No jobs. Each push of a model makes one.")
    else:
        print_table([("ID", "KIND", "MODEL", "PHASE", "REASON"), *(_row(document) for document in found)])


@jobs.command()
@click.argument("ref", type=ModelRefType())
@NAMESPACE
@AS_JSON
@SERVER
def create(ref: ModelRef, namespace: str, *, as_json: bool, server: str | None) -> None:
    """Parse a model again, after a job on it failed for a reason outside the model: memory, time, the registry.

    \b
    klever jobs create library/mymodel:v1
    """
    found = call(server, lambda client: client.create_job(ref, namespace))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        click.echo(f"{found.id}: `klever jobs get {found.id}` shows what becomes of it")


@jobs.command()
@click.argument("job_id")
@NAMESPACE
@AS_JSON
@SERVER
def get(job_id: str, namespace: str, *, as_json: bool, server: str | None) -> None:
    """Show a job.

    \b
    klever jobs get 5b2a0a3c-7f0e-5d4b-9a53-2b8f0d6c1e11
    """
    found = call(server, lambda client: client.job(job_id, namespace))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    click.echo(f"id:       {found.id}")
    click.echo(f"kind:     {found.spec.kind.value}")
    click.echo(f"model:    {found.spec.ref}")
    click.echo(f"phase:    {found.status.phase.value}, {found.status.attempts} attempt(s)")
    if found.status.problem:
        click.echo(f"problem:  {found.status.problem.code}: {found.status.problem.message}")


def _row(document: JobDocument) -> tuple[str, ...]:
    problem = document.status.problem
    spec = document.spec
    return document.id, spec.kind.value, str(spec.ref), document.status.phase.value, problem.code if problem else ""
