"""Whether a variant would run a program of its author's choice, which the operator has to allow.

Whoever may deploy could otherwise do what the platform's own user can. Gateway and deployer decide by this.
"""

import re

from .servable import Refusal
from .variants import Variant

COMMANDS_NOT_ALLOWED = "commands_not_allowed"

_LOADS_CODE = re.compile(
    r"(LD_|DYLD_|GCONV_|GLIBC_|PYTHON|JAVA_|_JAVA_|JDK_|CLASSPATH|BASH_|MLSERVER_|MLFLOW_|TORCH|TRITON|XDG_|UV_).*"
    r"|ENV|PATH|HOME|OPENSSL_CONF|OMP_TOOL_LIBRARIES|TF_PLUGGABLE_DEVICE_LIBRARY_PATH|CUDA_INJECTION64_PATH"
)
"""Environment variables that make a linker, an interpreter or a model server load code."""


def command_refusal(variant: Variant, *, allowed: bool) -> Refusal | None:
    """Why the operator does not let a variant run; None where it brings no program, or where that is allowed."""
    what = None if allowed else _program(variant)
    if what is None:
        return None
    return COMMANDS_NOT_ALLOWED, (
        f"variant {variant.name} has {what}, and this platform runs no programs of those who deploy: leave it out, or "
        "let the operator start the platform with `klever up --allow-commands` (KLEVER_ALLOW_COMMANDS=1)"
    )


def _program(variant: Variant) -> str | None:
    if variant.custom is not None and variant.custom.command:
        return "a command of its own (`custom.command`)"
    loading = sorted(name for name in variant.env if _LOADS_CODE.fullmatch(name.upper()))
    return f"the environment variable {loading[0]}, by which a server loads code" if loading else None
