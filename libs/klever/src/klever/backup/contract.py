"""The contract of a release, by which a backup from a newer one is recognised; pure."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from kleverproto.catalogue import BY_TYPE
from kleverproto.jobs import JobDocument
from kleverproto.models import ModelDocument
from kleverproto.projects import ProjectDocument
from kleverproto.servings import ServingDocument

from .errors import BackupError
from .members import FORMAT, Header

DOCUMENTS: tuple[type[BaseModel], ...] = (ModelDocument, ProjectDocument, JobDocument, ServingDocument)


@cache
def contract() -> tuple[str, ...]:
    """Return the event types and the fields of documents, such as `ModelStatus.scan`, sorted."""
    return tuple(sorted({*BY_TYPE, *(name for document in DOCUMENTS for name in _fields(document))}))


def read_header(content: bytes) -> Header:
    """Read a header. Raises BackupError if this release cannot restore the backup."""
    try:
        document: Any = json.loads(content)
        created_by = str(document["release"])
        if not 1 <= int(document["format"]) <= FORMAT:
            raise BackupError(
                f"it has format {document['format']}, and this release restores formats up to {FORMAT}: restore it "
                f"with Klever {created_by} or a later release"
            )
        header = Header.model_validate(document)
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise BackupError(f"its header cannot be read ({_first_line(error)})") from error
    unknown = sorted(set(header.contract) - set(contract()))
    if unknown:
        raise BackupError(
            f"it is from a newer release, Klever {header.release}, and contains data that this release would lose, "
            f"such as {', '.join(unknown[:3])}: restore it with that release or a later one"
        )
    return header


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]


def _fields(document: type[BaseModel]) -> Iterator[str]:
    schema = document.model_json_schema()
    for name, definition in {document.__name__: schema, **schema.get("$defs", {})}.items():
        for field in definition.get("properties", {}):
            yield f"{name}.{field}"
