"""`klever jobs`: jobs on models, with their logs and problems."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from klever.cli.app import AS_JSON, NAMESPACE, SERVER, call, cli
from klever.cli.conversions import describe_conversion
from klever.cli.references import ModelRefType
from kleverproto.jobs import JobDocument, JobKind, JobPhase, JobResult
from kleverproto.references import ModelRef
from ormb.console.descriptions import describe_scan
from ormb.console.printing import print_json, print_table

if TYPE_CHECKING:
    from klever.client import KleverClient


@cli.group()
def jobs() -> None:
    """Manage jobs on models."""


@jobs.command("list")
@NAMESPACE
@AS_JSON
@SERVER
@click.option("--kind", type=click.Choice([kind.value for kind in JobKind]), help="Show only jobs of this kind.")
@click.option("--phase", type=click.Choice([phase.value for phase in JobPhase]), help="Show only jobs in this phase.")
@click.option(
    "--model", "ref", type=ModelRefType(), help="Show only jobs on this model version, `project/model:version`."
)
@click.option("--since", type=click.DateTime(), help="Show only jobs that were requested at or after this time (UTC).")
def list_jobs(namespace: str, *, as_json: bool, server: str | None, **wanted: Any) -> None:
    """List jobs.

    \b
    klever jobs list
    klever jobs list --kind convert --phase Failed
    klever jobs list --model library/mymodel:v1 --since 2026-11-01 --json
    """
    filters = _filters(**wanted)
    documents = call(server, lambda client: client.jobs(namespace, **filters))
    if as_json:
        print_json([document.model_dump(mode="json") for document in documents])
    elif not documents:
        click.echo("No jobs. Each push of a model creates one.")
    else:
        print_table([("ID", "KIND", "MODEL", "PHASE", "REASON"), *(_row(document) for document in documents)])


@jobs.command()
@click.argument("ref", type=ModelRefType())
@click.option(
    "--kind",
    type=click.Choice([JobKind.EXTRACT.value, JobKind.SCAN.value]),
    default=JobKind.EXTRACT.value,
    show_default=True,
)
@NAMESPACE
@AS_JSON
@SERVER
def create(ref: ModelRef, kind: str, namespace: str, *, as_json: bool, server: str | None) -> None:
    """Parse or scan a model again, for example after a job failed because of memory, a timeout or the registry.

    \b
    klever jobs create library/mymodel:v1
    klever jobs create library/mymodel:v1 --kind scan
    """
    job = call(server, lambda client: client.create_job(ref, JobKind(kind), namespace=namespace))
    if as_json:
        print_json(job.model_dump(mode="json"))
    else:
        click.echo(f"{job.id}: show the progress with `klever jobs get {job.id}`")


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
    job = call(server, lambda client: client.job(job_id, namespace))
    if as_json:
        print_json(job.model_dump(mode="json"))
        return
    click.echo(f"id:       {job.id}")
    click.echo(f"kind:     {job.spec.kind.value}")
    click.echo(f"model:    {job.spec.ref}")
    click.echo(f"phase:    {job.status.phase.value}, {job.status.attempts} attempt(s)")
    if job.status.problem:
        click.echo(f"problem:  {job.status.problem.code}: {job.status.problem.message}")
    for line in _describe(job.status.result or JobResult()):
        click.echo(line)


@jobs.command()
@click.argument("job_id")
@click.option("--follow", "-f", is_flag=True, help="Follow the log until the job has finished.")
@NAMESPACE
@SERVER
def logs(job_id: str, namespace: str, *, follow: bool, server: str | None) -> None:
    """Show the log of a job.

    \b
    klever jobs logs --follow 5b2a0a3c-7f0e-5d4b-9a53-2b8f0d6c1e11
    """

    async def show(client: "KleverClient") -> None:
        async for line in client.job_log(job_id, namespace, follow=follow):
            click.echo(line)

    call(server, show)


@jobs.command()
@click.argument("job_id")
@NAMESPACE
@AS_JSON
@SERVER
def events(job_id: str, namespace: str, *, as_json: bool, server: str | None) -> None:
    """Show the events of a job.

    \b
    klever jobs events 5b2a0a3c-7f0e-5d4b-9a53-2b8f0d6c1e11
    """
    history = call(server, lambda client: client.job_events(job_id, namespace))
    if as_json:
        print_json(history)
        return
    print_table([("TIME", "EVENT"), *((event.time.isoformat(timespec="seconds"), event.type) for event in history)])


@jobs.command()
@click.argument("job_id")
@NAMESPACE
@SERVER
def cancel(job_id: str, namespace: str, *, server: str | None) -> None:
    """Cancel a job.

    \b
    klever jobs cancel 5b2a0a3c-7f0e-5d4b-9a53-2b8f0d6c1e11
    """
    call(server, lambda client: client.cancel_job(job_id, namespace))
    click.echo(f"{job_id}: will be cancelled unless it finishes first")


@jobs.command()
@click.argument("job_id")
@NAMESPACE
@SERVER
def retry(job_id: str, namespace: str, *, server: str | None) -> None:
    """Retry a job that failed or was cancelled.

    \b
    klever jobs retry 5b2a0a3c-7f0e-5d4b-9a53-2b8f0d6c1e11
    """
    call(server, lambda client: client.retry_job(job_id, namespace))
    click.echo(f"{job_id}: show the progress with `klever jobs get {job_id}`")


@jobs.command()
@click.argument("job_id")
@NAMESPACE
@SERVER
def delete(job_id: str, namespace: str, *, server: str | None) -> None:
    """Delete a job, and cancel it if it runs. Its results are kept.

    \b
    klever jobs delete 5b2a0a3c-7f0e-5d4b-9a53-2b8f0d6c1e11
    """
    call(server, lambda client: client.delete_job(job_id, namespace))
    click.echo(f"{job_id}: will be deleted")


def _describe(result: JobResult) -> Iterator[str]:
    if result.scan:
        yield from describe_scan(result.scan)
    if result.converted:
        yield from describe_conversion(result.converted)


def _filters(*, kind: str | None, phase: str | None, ref: ModelRef | None, since: datetime | None) -> dict[str, str]:
    named = {"project": ref.project, "model": ref.model, "version": ref.version} if ref else {}
    moment = since.replace(tzinfo=UTC).isoformat() if since else None
    values = {"kind": kind, "phase": phase, "since": moment, **named}
    return {name: value for name, value in values.items() if value is not None}


def _row(document: JobDocument) -> tuple[str, ...]:
    problem = document.status.problem
    spec = document.spec
    return document.id, spec.kind.value, str(spec.ref), document.status.phase.value, problem.code if problem else ""
