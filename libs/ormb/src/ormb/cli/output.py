"""Output of the `ormb` commands: summaries of models in the format of the Go ormb, and progress bars."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ormb.console.printing import human_size
from ormb.digest import hexadecimal
from ormb.ports import Progress, Silent

if TYPE_CHECKING:
    from ormb.info import ModelInfo


def facts(info: "ModelInfo") -> dict[str, Any]:
    """A model as one JSON object."""
    modelfile = info.manifest.modelfile
    return {
        "ref": str(info.reference),
        "digest": info.digest,
        "size": info.size,
        "format": info.format,
        "layout": info.manifest.layout,
        "artifactType": info.manifest.artifact_type,
        "layers": [layer.model_dump() for layer in info.manifest.layers],
        "ormbfile": modelfile.model_dump(mode="json", exclude_defaults=True) if modelfile else None,
    }


def print_summary(info: "ModelInfo") -> None:
    """Print the four lines that every command prints about a model."""
    click.echo(f"ref:       {info.reference}")
    click.echo(f"digest:    {hexadecimal(info.digest)}")
    click.echo(f"size:      {human_size(info.size)}")
    click.echo(f"format:    {info.format or 'unknown'}")


def layers_line(info: "ModelInfo") -> str:
    """Return text such as `2 layers, 6.1KB total`."""
    count = len(info.manifest.layers)
    return f"{count} {'layer' if count == 1 else 'layers'}, {human_size(info.size)} total"


@contextmanager
def progress(verb: str, *, quiet: bool) -> Iterator[Progress]:
    """Show a progress bar with rate and remaining time if standard error is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    from rich import progress as bars  # noqa: PLC0415 - only a terminal needs it
    from rich.console import Console  # noqa: PLC0415

    columns = (
        bars.TextColumn(verb),
        bars.BarColumn(),
        bars.DownloadColumn(binary_units=True),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar)


class _Bar:
    """Shows progress in a bar of rich."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def started(self, total: int) -> None:
        self._bar.update(self._task, total=total)

    def advanced(self, count: int) -> None:
        self._bar.advance(self._task, count)
