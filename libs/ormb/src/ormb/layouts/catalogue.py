"""The supported layouts."""

from typing import Any

from .docker_model import DOCKER_MODEL
from .layout import Layout
from .modelcar import MODELCAR
from .modelkit import MODELKIT
from .modelpack import MODELPACK
from .ormb_v1alpha1 import ORMB_V1ALPHA1

LAYOUTS: tuple[Layout, ...] = (MODELPACK, ORMB_V1ALPHA1, MODELKIT, DOCKER_MODEL, MODELCAR)
"""In the order in which they are tried. The last one matches every container image."""


def layout_of(document: dict[str, Any]) -> Layout | None:
    """Return the layout of a manifest; None if it is not a model."""
    return next((layout for layout in LAYOUTS if layout.claims(document)), None)


def layout_named(name: str) -> Layout:
    """Return the layout with a name."""
    return next(layout for layout in LAYOUTS if layout.name == name)
