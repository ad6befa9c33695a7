"""The commands `tag`, `models`, `remove` and `prune` for the local store."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ormb import known_digests
from ormb.cli.app import ReferenceType, cli, errors_as_lines
from ormb.cli.output import facts
from ormb.console.printing import human_size, print_json, print_table
from ormb.digest import hexadecimal
from ormb.layout import STORE, LocalLayout, default_root
from ormb.reference import Reference
from ormb.stored import StoredModel

if TYPE_CHECKING:
    from ormb.info import ModelInfo

REFERENCE = click.argument("reference", type=ReferenceType())


@cli.command()
@click.argument("source", type=ReferenceType())
@click.argument("target", type=ReferenceType())
def tag(source: Reference, target: Reference) -> None:
    """Create another tag for a model in the local store.

    \b
    ormb tag localhost:5000/library/mymodel:v1 localhost:5000/library/mymodel:stable
    """
    with errors_as_lines():
        _local().tag(source, target)
    click.echo(f"{source}: tagged")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def models(*, as_json: bool) -> None:
    """List the models in the local store.

    \b
    ormb models
    ormb models --json
    """
    with errors_as_lines():
        stored = _local().models()
    if as_json:
        print_json([facts(_info(model)) for model in stored])
        return
    print_table([("REPOSITORY", "TAG", "MODEL ID", "CREATED", "SIZE"), *(_row(model) for model in stored)])


@cli.command()
@REFERENCE
def remove(reference: Reference) -> None:
    """Remove a model from the local store, with the blobs that no other model uses.

    \b
    ormb remove localhost:5000/library/mymodel:v1
    """
    with errors_as_lines():
        _local().remove(reference)
    click.echo(f"{reference.tag or reference.name}: removed")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def prune(*, as_json: bool) -> None:
    """Remove blobs that no model in the local store uses, and the remains of interrupted transfers.

    \b
    ormb prune
    """
    with errors_as_lines():
        freed = _local().prune() + known_digests.forget_vanished(default_root() / known_digests.DIRECTORY)
    if as_json:
        print_json({"freedBytes": freed})
    else:
        click.echo(f"{human_size(freed)} freed")


def _local() -> LocalLayout:
    return LocalLayout(default_root() / STORE)


def _info(model: StoredModel) -> "ModelInfo":
    from ormb.info import ModelInfo  # noqa: PLC0415 - help needs no HTTP

    return ModelInfo(model.reference, model.manifest.digest, model.manifest.size, model.manifest)


def _row(model: StoredModel) -> tuple[str, ...]:
    reference = model.reference
    saved = datetime.fromtimestamp(model.saved_at, UTC).strftime("%Y-%m-%d %H:%M")
    model_id = hexadecimal(model.manifest.digest)[:12]
    repository = f"{reference.host}/{reference.repository}"
    return repository, reference.tag or "", model_id, saved, human_size(model.manifest.size)
