"""`klever convert`: converts a model version to another format."""

from typing import TYPE_CHECKING

import click

from klever.cli.app import AS_JSON, NAMESPACE, SERVER, call, cli, errors_as_lines
from klever.cli.conversions import describe_conversion
from klever.cli.references import ModelRefType
from kleverproto.conversions import Conversion, Quantization
from kleverproto.jobs import JobDocument, JobKind, JobPhase
from kleverproto.references import ModelRef
from ormb.console.printing import print_json
from ormb.layout import default_root

if TYPE_CHECKING:
    from klever.client import KleverClient


@cli.command()
@click.argument("ref", type=ModelRefType())
@click.option("--to", "target", required=True, help="Target format, such as ONNX. See docs/formats.md for the table.")
@click.option("--quantize", type=click.Choice([each.value for each in Quantization]), help="Quantize the weights.")
@click.option("--as", "result", type=ModelRefType(), help="Name of the result. Default: the version with the format.")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Option of the converter, such as opset=17."
)
@click.option(
    "--sample",
    "samples",
    multiple=True,
    metavar="[NAME=]VALUES",
    help="Inputs for the comparison: JSON, or @file (.npy, .npz, JSON or a V2 request).",
)
@click.option(
    "--allow-unverified", is_flag=True, help="Publish the result even if it cannot be compared with the source."
)
@click.option("--follow", "-f", is_flag=True, help="Show the progress until the job has finished.")
@NAMESPACE
@AS_JSON
@SERVER
def convert(  # noqa: PLR0913 - each is an option of the command
    ref: ModelRef,
    target: str,
    quantize: str | None,
    result: ModelRef | None,
    options: tuple[str, ...],
    *,
    samples: tuple[str, ...],
    allow_unverified: bool,
    namespace: str,
    follow: bool,
    as_json: bool,
    server: str | None,
) -> None:
    """Convert a model version to another format, and compare the result with the source.

    \b
    klever convert library/mymodel:v1 --to ONNX --follow
    klever convert library/mymodel:v1 --to ONNX --quantize int8 --as library/mymodel:v1-small
    klever convert library/mymodel:v1 --to ONNX --sample x=@rows.npy --sample temperature=0.5
    klever convert library/mymodel:v1 --to ONNX --sample @inputs.npz
    """
    from klever.samples import read_samples, with_samples  # noqa: PLC0415 - loads NumPy
    from ormb.client import OrmbClient  # noqa: PLC0415 - loads HTTP

    with errors_as_lines():
        given = read_samples(samples)
    size = Quantization(quantize) if quantize else None
    wanted = Conversion(
        to=target,
        quantize=size,
        options=_options(options),
        allow_unverified=allow_unverified,
        ref=result,
    )

    async def work(client: "KleverClient") -> JobDocument:
        conversion = wanted
        if given:
            model = (await client.model(ref)).spec
            conversion = await with_samples(wanted, given, model, OrmbClient(default_root()))
        job = await client.create_job(ref, JobKind.CONVERT, conversion=conversion, namespace=namespace)
        if not follow:
            return job
        return await client.wait_for_job(job.id, namespace, on_line=lambda line: click.echo(line, err=True))

    _show(call(server, work), as_json=as_json)


def _show(job: JobDocument, *, as_json: bool) -> None:
    if as_json:
        print_json(job.model_dump(mode="json"))
    elif job.status.result and job.status.result.converted:
        for line in describe_conversion(job.status.result.converted):
            click.echo(line)
    elif not job.status.phase.is_final:
        click.echo(f"{job.id}: show the progress with `klever jobs logs --follow {job.id}`")
    if job.status.phase in {JobPhase.FAILED, JobPhase.CANCELLED}:
        problem = job.status.problem
        raise click.ClickException(f"{problem.code}: {problem.message}" if problem else "the job was cancelled")


def _options(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise click.UsageError("write --option NAME=VALUE, such as --option opset=17")
    return {name: value for name, _, value in pairs}
