"""Which model server serves which format, and in which environment."""

from kleverproto.variants import Variant

from .replicas import CUSTOM

RUNTIMES: dict[str, dict[str, str | None]] = {
    "kleverserve": {"ONNX": None},
}
"""Runtime to the formats that it serves, each with the toolchain that it runs in; None is the deployer's own
environment. The first runtime that has a format is the one by default.
"""


def runtime_of(variant: Variant, model_format: str) -> str | None:
    """The runtime of a variant, or `custom`; None where no runtime, or not the one asked for, serves the format."""
    if variant.custom is not None:
        return CUSTOM
    candidates = [variant.runtime] if variant.runtime is not None else list(RUNTIMES)
    return next((name for name in candidates if model_format in RUNTIMES.get(name, {})), None)


def refusal(variant: Variant, model_format: str) -> str:
    """Why nothing serves the variant, and what to do, for people."""
    what = f"{variant.model} is a {model_format or 'model of unknown format'}"
    servers = [name for name, formats in RUNTIMES.items() if model_format in formats]
    if variant.runtime is not None and servers:
        return f"{what}, which {variant.runtime} does not serve: leave runtime out, or choose {' or '.join(servers)}"
    served = ", ".join(sorted({each for formats in RUNTIMES.values() for each in formats}))
    return f"{what}, which cannot be served yet: formats that can are {served}"
