"""Names of formats as other tools spell them."""

from typing import Any

import modelformats

FORMATS = {name.lower(): name for name in modelformats.KNOWN_FORMATS}


def format_named(name: Any) -> str | None:
    """Our name of a format; None where it is none of those known."""
    return FORMATS.get(str(name or "").lower())
