"""Which model server serves which format, and in which environment."""

from dataclasses import dataclass

from kleverproto.variants import Variant

from .versions import CUSTOM

RUNTIMES: dict[str, dict[str, str | None]] = {
    "kleverserve": {
        "ONNX": None,
        "SavedModel": "openvino",
        "GraphDef": "openvino",
        "TFLite": "openvino",
        "OpenVINO": "openvino",
        "SKLearn": "sklearn",
        "XGBoost": "sklearn",
        "LightGBM": "sklearn",
        "CatBoost": "sklearn",
        "TorchScript": "torch",
        "ExportedProgram": "torch",
        "PMML": "pmml",
    },
    "triton": dict.fromkeys(
        (
            *("ONNX", "SavedModel", "GraphDef", "TFLite", "OpenVINO"),
            *("SKLearn", "XGBoost", "LightGBM", "CatBoost"),
        ),
        "triton",
    ),
    "mlserver": dict.fromkeys(("MLflow", "SKLearn", "XGBoost"), "mlserver"),
}
"""Runtime to the formats that it serves, each with the toolchain that it runs in; None is the deployer's own
environment. The first runtime that has a format is the one by default.
"""
UNPICKLED = frozenset({"SKLearn", "MLflow", "TorchScript", "ExportedProgram"})
"""Formats whose servers unpickle: they load what is known, and what the model's project trusts."""
WITH_GRPC = frozenset({"triton", "mlserver"})
WITH_PARAMETERS = frozenset({"kleverserve"})
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
        if model_format in RUNTIMES[name]:
            return Choice(name, RUNTIMES[name][model_format])
    return None


def refusal(variant: Variant, model_format: str, routes: tuple[str, ...]) -> str:
    """Why nothing serves the variant, and what to do, for people.

    Args:
        variant: what was asked for.
        model_format: of its model.
        routes: what the platform can convert that to.
    """
    what = f"{variant.model} is a {model_format or 'model of unknown format'}"
    servers = [name for name, formats in RUNTIMES.items() if model_format in formats]
    if variant.runtime is not None and servers:
        return f"{what}, which {variant.runtime} does not serve: leave runtime out, or choose {' or '.join(servers)}"
    served = sorted({each for formats in RUNTIMES.values() for each in formats} | CONVERTED)
    if ways := [name for name in routes if name in served]:
        return f"{what}, which nothing serves: `klever convert {variant.model} --to {ways[0]}`, and deploy the result"
    own = "give it a server of your own (`custom.command`)"
    return f"{what}, which nothing serves: {own}, or push one of the formats {', '.join(served)}"


def parameters_refusal(variant: Variant, runtime: str) -> str | None:
    """Why the variant's parameters cannot be given to its runtime; None where they can, or there are none."""
    if not variant.parameters or runtime in WITH_PARAMETERS:
        return None
    return f"{runtime} takes no parameters: leave {', '.join(sorted(variant.parameters))} out, or set `env`"
