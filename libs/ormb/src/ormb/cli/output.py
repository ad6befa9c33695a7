"""What the commands print: the lines of the original ormb, JSON where asked for, progress on a terminal."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from ormb.digest import hexadecimal
from ormb.ports import Progress, Silent

if TYPE_CHECKING:
    from ormb.info import ModelInfo


def human_size(size: int) -> str:
    """Bytes in binary units without a space: 905B, 6.1KB, 5.0GB."""
    value = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024:  # noqa: PLR2004 - binary units
            return f"{size}B" if unit == "B" else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.1f}TB"


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


def print_json(value: Any) -> None:
    """One JSON document on standard output; models and dataclasses get the camelCase names of the API."""
    click.echo(json.dumps(_as_json(value), indent=2, ensure_ascii=False))


def _as_json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if is_dataclass(value) and not isinstance(value, type):
        return {to_camel(field.name): _as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    if isinstance(value, dict):
        return {key: _as_json(each) for key, each in value.items()}
    return value


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Columns with a head, as wide as they need to be."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_summary(info: "ModelInfo") -> None:
    """The four lines that every verb prints."""
    click.echo(f"ref:       {info.reference}")
    click.echo(f"digest:    {hexadecimal(info.digest)}")
    click.echo(f"size:      {human_size(info.size)}")
    click.echo(f"format:    {info.format or 'unknown'}")


def layers_line(info: "ModelInfo") -> str:
    """`2 layers, 6.1KB total`."""
    count = len(info.manifest.layers)
    return f"{count} {'layer' if count == 1 else 'layers'}, {human_size(info.size)} total"


@contextmanager
def progress(verb: str, *, quiet: bool) -> Iterator[Progress]:
    """A bar with rate and time left on a terminal, nothing elsewhere."""
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
    """Progress on a rich bar."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def started(self, total: int) -> None:
        self._bar.update(self._task, total=total)

    def advanced(self, count: int) -> None:
        self._bar.advance(self._task, count)
