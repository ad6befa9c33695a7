"""Whether a variant would run a program of its author's choice, which the operator has to allow.

Whoever may deploy could otherwise do what the platform's own user can. Gateway and deployer decide by this.
"""

from .codes import COMMANDS_NOT_ALLOWED
from .servable import Refusal
from .variants import Variant


def command_refusal(variant: Variant, *, allowed: bool) -> Refusal | None:
    """Why the operator does not let a variant run; None where it brings no program, or where that is allowed."""
    if allowed or variant.custom is None or not variant.custom.command:
        return None
    return COMMANDS_NOT_ALLOWED, (
        f"variant {variant.name} has a command of its own (`custom.command`), and this platform runs no programs of "
        "those who deploy: leave it out, or let the operator start the platform with `klever up --allow-commands` "
        "(KLEVER_ALLOW_COMMANDS=1)"
    )
