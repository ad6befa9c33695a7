"""Which runtime of the table serves a variant on this machine, and in which environment."""

from dataclasses import dataclass

from kleverproto.variants import Variant
from modelfiles.runtimes import BUILT_IN, RUNTIMES

from .versions import CUSTOM

UNPICKLED = frozenset({"SKLearn", "MLflow", "TorchScript", "ExportedProgram"})
"""Formats whose servers unpickle: they load what is known, and what the model's project trusts."""
CONVERTED = frozenset({"CaffeModel", "NetDef", "MXNetParams", "H5", "Keras"})
"""What nothing serves as it is, and the platform converts first."""
CONVERTED_TO = "ONNX"


@dataclass(frozen=True)
class Choice:
    """What serves a model."""

    runtime: str
    toolchain: str | None
    """None for the deployer's own environment."""


def needs_conversion(variant: Variant, model_format: str) -> bool:
    """Whether the model is served as what it is converted to."""
    return variant.custom is None and model_format in CONVERTED


def choose(variant: Variant, model_format: str) -> Choice | None:
    """What serves a variant; None where no runtime, or not the one asked for, serves the format."""
    if variant.custom is not None:
        return Choice(CUSTOM, None)
    candidates = [variant.runtime] if variant.runtime is not None else list(RUNTIMES)
    for name in candidates:
        support = RUNTIMES[name].formats.get(model_format)
        if support is not None and support.environment is not None:
            return Choice(name, None if support.environment == BUILT_IN else support.environment)
    return None


def has_grpc(runtime: str) -> bool:
    """Whether a runtime has a second port, for gRPC; a server of the user's own has none."""
    return runtime in RUNTIMES and RUNTIMES[runtime].has_grpc


def serving_here(model_format: str) -> tuple[str, ...]:
    """The runtimes that serve a format on this machine, the default first."""
    return tuple(name for name, runtime in RUNTIMES.items() if model_format in runtime.served_here)


def refusal(variant: Variant, model_format: str, routes: tuple[str, ...]) -> str:
    """Why nothing serves the variant, and what to do, for people.

    Args:
        variant: what was asked for.
        model_format: of its model.
        routes: what the platform can convert that to.
    """
    what = f"{variant.model} is a {model_format or 'model of unknown format'}"
    servers = serving_here(model_format)
    if variant.runtime is not None and servers:
        return f"{what}, which {variant.runtime} does not serve: leave runtime out, or choose {' or '.join(servers)}"
    served = sorted({each for known in RUNTIMES.values() for each in known.served_here} | CONVERTED)
    if ways := [name for name in routes if name in served]:
        return f"{what}, which nothing serves: `klever convert {variant.model} --to {ways[0]}`, and deploy the result"
    own = "give it a server of your own (`custom.command`)"
    return f"{what}, which nothing serves: {own}, or push one of the formats {', '.join(served)}"


def parameters_refusal(variant: Variant, runtime: str) -> str | None:
    """Why the variant's parameters cannot be given to its runtime; None where they can, or there are none."""
    if not variant.parameters or (runtime in RUNTIMES and RUNTIMES[runtime].takes_parameters):
        return None
    return f"{runtime} takes no parameters: leave {', '.join(sorted(variant.parameters))} out, or set `env`"
