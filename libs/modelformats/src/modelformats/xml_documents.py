"""Parses untrusted XML: no entities, no network, no DTD."""

from pathlib import Path
from typing import Any

from .errors import InvalidModelError


def parse_xml(path: Path, root_name: str) -> Any:
    """Return the root element of a document, which must have this name.

    Raises:
        InvalidModelError: another root, or a DTD.
        lxml.etree.XMLSyntaxError: it is not XML.
    """
    from lxml import etree  # noqa: PLC0415 - only two formats need it

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    with path.open("rb") as file:  # with a file name, libxml2 would decompress the content
        tree = etree.parse(file, parser)
    if tree.docinfo.internalDTD is not None:
        raise InvalidModelError(f"{path.name} declares a DTD, which {root_name} does not need: remove it")
    root = tree.getroot()
    if etree.QName(root).localname != root_name:
        raise InvalidModelError(f"{path.name} is XML but its root is {etree.QName(root).localname}, not {root_name}")
    return root
