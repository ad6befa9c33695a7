"""Permission of the operator for variants with a custom command, checked by gateway and deployer.

A custom command has the access rights of the platform's user, so the right to deploy alone does not permit it.
"""

from .codes import COMMANDS_NOT_ALLOWED
from .refusals import Refusal
from .variants import Variant


def command_refusal(variant: Variant, *, allowed: bool) -> Refusal | None:
    """Return the reason to reject a variant; None if it has no command, or if commands are allowed."""
    if allowed or variant.custom is None or not variant.custom.command:
        return None
    return Refusal(
        COMMANDS_NOT_ALLOWED,
        f"variant {variant.name} has a custom command (`custom.command`), which this platform does not allow: "
        "leave it out, or let the operator start the platform with `klever up --allow-commands` "
        "(KLEVER_ALLOW_COMMANDS=1)",
    )
