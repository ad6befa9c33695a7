"""JSON documents, tables and sizes on standard output."""

import json
from dataclasses import fields, is_dataclass
from typing import Any

import click
from pydantic import BaseModel
from pydantic.alias_generators import to_camel


def human_size(size: int) -> str:
    """Return a size in binary units, without a space: 905B, 6.1KB, 5.0GB."""
    value = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024:  # noqa: PLR2004 - binary units
            return f"{size}B" if unit == "B" else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.1f}TB"


def print_json(value: Any) -> None:
    """Print one JSON document; fields of models and dataclasses get the camelCase names of the API."""
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
    """Print rows in columns; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
