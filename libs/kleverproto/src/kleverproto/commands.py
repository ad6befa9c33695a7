"""Whether a variant would run a program of its author's choice, which the operator has to allow.

Whoever may deploy could otherwise do what the platform's own user can. Gateway and deployer decide by this.
"""

from .codes import COMMANDS_NOT_ALLOWED
from .refusals import Refusal
from .variants import Variant


def command_refusal(variant: Variant, *, allowed: bool) -> Refusal | None:
    """Why a variant may not run; None if it has no command, or if commands are allowed."""
    if allowed or variant.custom is None or not variant.custom.command:
        return None
    return Refusal(
        COMMANDS_NOT_ALLOWED,
        f"variant {variant.name} has a command of its own (`custom.command`), and this platform runs no programs of "
        "those who deploy: leave it out, or let the operator start the platform with `klever up --allow-commands` "
        "(KLEVER_ALLOW_COMMANDS=1)",
    )
