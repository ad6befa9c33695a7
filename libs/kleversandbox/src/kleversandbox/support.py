"""Support of the system for the sandbox."""

from typing import NamedTuple

from .support_probe import probe


class Support(NamedTuple):
    """The supported and the missing parts."""

    abi: int = 0
    """Version of Landlock; 0 without Landlock."""
    has_filter: bool = False
    """True if system calls can be filtered."""
    missing: tuple[str, ...] = ()
    """Reasons why the sandbox is not complete, for people; empty if it is complete."""

    @property
    def is_complete(self) -> bool:
        """True if all parts are supported."""
        return not self.missing

    def describe(self) -> str:
        """Describe the active parts, for people."""
        parts = [f"Landlock ABI {self.abi}"] if self.abi else []
        parts += ["seccomp"] if self.has_filter else []
        return ", ".join(parts) or "none"


def find_support() -> Support:
    """Return the support of this system."""
    return Support(*probe())


class Confinement(NamedTuple):
    """The support of the system, and the decision of its operator."""

    support: Support
    allow_unsandboxed: bool = False
    """True if models that can execute code are run without a complete sandbox."""

    def refusal(self, what: str) -> str | None:
        """Return the reason why something that can execute code is not run, as a sentence; None if it is run."""
        if self.allow_unsandboxed or self.support.is_complete:
            return None
        return (
            f"{what} may run code, and this system cannot confine it: {'; '.join(self.support.missing)}. "
            "If you trust it, start the platform with `klever up --allow-unsandboxed`"
        )

    def describe(self, network: str) -> str:
        """Describe the confinement of a model server, for people.

        Args:
            network: the part of the network that it can reach.
        """
        parts = [self.support.describe(), f"network: {network}"]
        return "; ".join([*parts, *(f"incomplete: {missing}" for missing in self.support.missing)])
