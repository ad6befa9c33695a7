"""What the system can provide of the sandbox."""

from typing import NamedTuple

from .probing import probe


class Support(NamedTuple):
    """What is there, and what is not."""

    abi: int = 0
    """Version of Landlock; 0 where there is none."""
    has_filter: bool = False
    """Whether system calls can be filtered."""
    missing: tuple[str, ...] = ()
    """Why the sandbox is not complete, for people; nothing where it is."""

    @property
    def is_complete(self) -> bool:
        """Whether every promise is kept."""
        return not self.missing

    def describe(self) -> str:
        """What is in force, for people."""
        parts = [f"Landlock ABI {self.abi}"] if self.abi else []
        parts += ["seccomp"] if self.has_filter else []
        return ", ".join(parts) or "none"


def find_support() -> Support:
    """What this system has."""
    return Support(*probe())


class Confinement(NamedTuple):
    """What the system provides, and what its operator has decided."""

    support: Support
    allow_unsandboxed: bool = False
    """Whether models that may run code are run without a complete sandbox too."""

    def refusal(self, what: str) -> str | None:
        """Why something that may run code is not run here, as a sentence; None where it is."""
        if self.allow_unsandboxed or self.support.is_complete:
            return None
        return (
            f"{what} may run code, and this system cannot confine it: {'; '.join(self.support.missing)}. "
            "If you trust it, start the platform with `klever up --allow-unsandboxed`"
        )

    def describe(self, network: str) -> str:
        """What a model server is confined by, for people.

        Args:
            network: what it may reach.
        """
        parts = [self.support.describe(), f"network: {network}"]
        return "; ".join([*parts, *(f"incomplete: {missing}" for missing in self.support.missing)])
