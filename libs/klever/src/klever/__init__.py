"""The Klever CLI, Python SDK, and the whole platform on one machine."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import KleverClient
    from .sync import Klever

__all__ = ["Klever", "KleverClient"]


def __getattr__(name: str) -> Any:
    """Import names on first use: `klever --help` needs no HTTP client."""
    if name == "Klever":
        from .sync import Klever  # noqa: PLC0415 - see above

        return Klever
    if name == "KleverClient":
        from .client import KleverClient  # noqa: PLC0415 - see above

        return KleverClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
