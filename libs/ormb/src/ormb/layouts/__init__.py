"""Layouts of models as OCI artifacts, one module for each tool. All can be read, two can be written."""

from .catalogue import LAYOUTS, layout_named, layout_of

__all__ = ["LAYOUTS", "layout_named", "layout_of"]
