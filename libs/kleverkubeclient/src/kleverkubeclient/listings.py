"""All objects of a kind at one moment."""

from dataclasses import dataclass

from kleverkube.manifest import Manifest


@dataclass(frozen=True)
class Listing:
    """All objects at one moment."""

    items: list[Manifest]
    version: str
    """Resource version from which a watch continues."""
