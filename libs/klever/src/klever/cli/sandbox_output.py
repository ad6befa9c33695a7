"""What confines models on this machine, as `klever status` shows it."""

from typing import Any

from kleversandbox.support import Support


def described(support: Support, *, allow_unsandboxed: bool) -> dict[str, Any]:
    """What is in force, what is missing, and what follows from that.

    Args:
        support: what this system has.
        allow_unsandboxed: what the operator of the platform has decided.
    """
    if support.is_complete:
        follows = "models and what they run reach nothing else"
    elif allow_unsandboxed:
        follows = "models that may run code are run all the same, as the operator allows it"
    else:
        follows = "models that may run code are refused: `klever up --allow-unsandboxed` runs them all the same"
    return {"inForce": support.describe(), "missing": list(support.missing), "follows": follows}


def sandbox_lines(sandbox: dict[str, Any]) -> list[str]:
    """The same for people."""
    missing = [f"         missing: {each}" for each in sandbox["missing"]]
    return [f"sandbox: {sandbox['inForce']}; {sandbox['follows']}", *missing]
