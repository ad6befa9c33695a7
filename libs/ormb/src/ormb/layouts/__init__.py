"""How tools lay models out as OCI artifacts; one file for each layout, all read, two written."""

from .catalogue import LAYOUTS, layout_named, layout_of

__all__ = ["LAYOUTS", "layout_named", "layout_of"]
