"""The state of the sandbox on this machine, as `klever status` shows it."""

from typing import Any

from kleversandbox.support import Support


def described(support: Support, *, allow_unsandboxed: bool) -> dict[str, Any]:
    """Describe which parts of the sandbox are active or missing, and the consequences.

    Args:
        support: the features that this system supports.
        allow_unsandboxed: whether the operator allows models without a complete sandbox.
    """
    if support.is_complete:
        follows = "models and their child processes have access to nothing else"
    elif allow_unsandboxed:
        follows = "models that can execute code are run anyway, as the operator allows it"
    else:
        follows = "models that can execute code are refused; allow them with `klever up --allow-unsandboxed`"
    return {"inForce": support.describe(), "missing": list(support.missing), "follows": follows}


def sandbox_lines(sandbox: dict[str, Any]) -> list[str]:
    """Return the lines that `klever status` prints."""
    missing = [f"         missing: {each}" for each in sandbox["missing"]]
    return [f"sandbox: {sandbox['inForce']}; {sandbox['follows']}", *missing]
