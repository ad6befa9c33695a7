"""XML with a document type: entities that grow exponentially, or that name files and addresses."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.parsers import expat

from .finding import Carried, dangerous

PROLOG = 64 * 1024


class _BegunError(Exception):
    """The root element has begun."""


def code_of_xml(path: Path) -> Iterator[Carried]:
    """Yield a finding if a document declares a type; bytes that are not XML contain none."""
    if _declares_type(path):
        yield dangerous("xml", "doctype", "the document declares a type, through which readers can open other files")


def _declares_type(path: Path) -> bool:
    has_doctype = False

    def declared(*_arguments: object) -> None:
        nonlocal has_doctype
        has_doctype = True
        raise _BegunError

    def begun(*_arguments: object) -> None:
        raise _BegunError

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = declared
    parser.StartElementHandler = begun
    with path.open("rb") as file, suppress(_BegunError, expat.ExpatError):
        parser.Parse(file.read(PROLOG), False)  # noqa: FBT003 - expat's own signature
    return has_doctype
