"""The columns that a converted model was trained on, in their order: PMML keeps only those that it uses."""

from pathlib import Path
from xml.etree import ElementTree as ET

NAME = "klever.columns"
_XMLNS = "http://www.dmg.org/PMML-4_4"


def write_columns(path: Path, columns: list[str]) -> None:
    """Put an extension into the header, which PMML lets everyone do and readers pass over."""
    ET.register_namespace("", _XMLNS)
    tree = ET.parse(path)  # noqa: S314 - our own converter has written it
    header = tree.getroot().find(f"{{{_XMLNS}}}Header")
    if header is not None:
        extension = ET.Element(f"{{{_XMLNS}}}Extension", {"name": NAME})
        extension.extend([ET.Element("column", {"name": column}) for column in columns])
        header.insert(0, extension)
        tree.write(path, encoding="utf-8", xml_declaration=True)


def read_columns(path: Path) -> list[str]:
    """The columns; none where another tool made the file."""
    root = ET.parse(path).getroot()  # noqa: S314 - a confined program reads it
    found = [each for each in root.iter() if each.tag.endswith("Extension") and each.get("name") == NAME]
    return [str(column.get("name")) for extension in found for column in extension]
