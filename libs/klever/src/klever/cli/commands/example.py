"""`klever example`: writes an example model."""

from pathlib import Path

import click

from klever.cli.app import cli, errors_as_lines


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--retrained", is_flag=True, help="Write the second version, with less regularisation and other coefficients."
)
def example(directory: Path, *, retrained: bool) -> None:
    """Write the directory of an example model: a classifier of iris flowers, as ONNX.

    The input x is float32 [N, 4]: length and width of sepal and petal in cm.

    \b
    klever example mymodel
    ormb push ./mymodel localhost:5000/library/mymodel:v1
    """
    from klever.demo import iris  # noqa: PLC0415 - help needs none

    with errors_as_lines():
        iris.write_model(iris.V2 if retrained else iris.V1, directory)
    click.echo(f"{directory}: written")
