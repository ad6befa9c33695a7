"""Chooses the runtime and the environment that serve a variant on this machine."""

from collections.abc import Callable
from dataclasses import dataclass

from klever_deployer.errors import UNSUPPORTED_FORMAT, ServingError
from kleverkube.errors import UnsupportedOnClusterError
from kleverkube.images import runtime_of
from kleverproto.variants import CUSTOM, Variant
from modelfiles.runtimes import BUILT_IN, RUNTIMES

CONVERTED = frozenset({"CaffeModel", "NetDef", "MXNetParams", "H5", "Keras"})
"""Formats that no runtime serves; the platform converts such models first."""
CONVERTED_TO = "ONNX"


@dataclass(frozen=True)
class Choice:
    """The runtime and the toolchain that serve a model."""

    runtime: str
    toolchain: str | None
    """None for the deployer's own environment."""


ChooseRuntime = Callable[[Variant, str], Choice | None]
"""Chooses the runtime of a variant by the format of its model."""


def needs_conversion(variant: Variant, model_format: str) -> bool:
    """Return whether the model must be converted before it can be served."""
    return variant.custom is None and model_format in CONVERTED


def choose(variant: Variant, model_format: str) -> Choice | None:
    """The choice for a variant; None if no runtime, or not the requested one, serves the format."""
    if variant.custom is not None:
        return Choice(CUSTOM, None)
    candidates = [variant.runtime] if variant.runtime is not None else list(RUNTIMES)
    for name in candidates:
        support = RUNTIMES[name].formats.get(model_format)
        if support is not None and support.environment is not None:
            return Choice(name, None if support.environment == BUILT_IN else support.environment)
    return None


def choose_on_cluster(variant: Variant, model_format: str) -> Choice:
    """The choice for a variant on a cluster. Raises ServingError if no image serves the format."""
    try:
        return Choice(runtime_of(variant, model_format), None)
    except UnsupportedOnClusterError as error:
        raise ServingError(str(error), code=UNSUPPORTED_FORMAT) from error


def has_grpc(runtime: str) -> bool:
    """Return whether a runtime has a second port, for gRPC; a custom server has none."""
    return runtime in RUNTIMES and RUNTIMES[runtime].has_grpc


def serving_here(model_format: str) -> tuple[str, ...]:
    """The runtimes that serve a format on this machine, the default first."""
    return tuple(name for name, runtime in RUNTIMES.items() if model_format in runtime.served_here)


def refusal(variant: Variant, model_format: str, routes: tuple[str, ...]) -> str:
    """The reason why no runtime serves the variant, and what to do, as a sentence.

    Args:
        variant: the requested variant.
        model_format: the format of its model.
        routes: the formats that the platform can convert the model to.
    """
    model = f"{variant.model} is a {model_format or 'model of unknown format'}"
    servers = serving_here(model_format)
    if variant.runtime is not None and servers:
        return f"{model}, which {variant.runtime} does not serve: remove `runtime`, or set it to {' or '.join(servers)}"
    served = sorted({each for known in RUNTIMES.values() for each in known.served_here} | CONVERTED)
    if targets := [name for name in routes if name in served]:
        convert = f"convert it with `klever convert {variant.model} --to {targets[0]}`"
        return f"{model}, which no runtime serves: {convert}, and deploy the result"
    own = "set `custom.command` to use your own server"
    return f"{model}, which no runtime serves: {own}, or push a model in one of the formats {', '.join(served)}"


def parameters_refusal(variant: Variant, runtime: str) -> str | None:
    """The reason why the variant's runtime does not accept its parameters, as a sentence; None if it does."""
    if not variant.parameters or (runtime in RUNTIMES and RUNTIMES[runtime].takes_parameters):
        return None
    return f"{runtime} takes no parameters: remove {', '.join(sorted(variant.parameters))}, or set `env`"
