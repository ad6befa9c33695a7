"""Names of formats in other tools."""

from typing import Any

import modelformats

FORMATS = {name.lower(): name for name in modelformats.KNOWN_FORMATS}


def format_named(name: Any) -> str | None:
    """Return Klever's name of a format; None if it is unknown."""
    return FORMATS.get(str(name or "").lower())
