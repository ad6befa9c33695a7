"""The Klever CLI, Python SDK, and the whole platform on one machine."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import KleverClient

__all__ = ["KleverClient"]


def __getattr__(name: str) -> Any:
    """Import on first use: `klever --help` needs no HTTP client."""
    if name == "KleverClient":
        from .client import KleverClient  # noqa: PLC0415 - see above

        return KleverClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
