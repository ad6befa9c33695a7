"""The table of model servers: for each runtime, its formats, environments, images, directory layouts and batch sizes.

The deployer selects runtimes from it, the launchers of the servers read their formats from it, and
`ormb-storage-initializer` reads the directory layouts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

BUILT_IN = "built-in"
"""The environment of the platform, which needs no toolchain."""
UNPICKLED = frozenset({"SKLearn", "MLflow", "TorchScript", "ExportedProgram"})
"""Formats whose servers unpickle; they load only known names and those that the model's project trusts."""
REPOSITORY = "ghcr.io/kleveross"
"""Repository of Klever's container images."""


class DirectoryLayout(StrEnum):
    """The directory layout that a runtime's container image expects."""

    PLAIN = "plain"
    """As exported: ormbfile.yaml, and the model's files in `model/`."""
    TRITON = "triton"
    """A directory of a Triton model repository: config.pbtxt, and the model in `1/`."""
    MLSERVER = "mlserver"
    """As exported, with model-settings.json."""
    OPENSCORING = "openscoring"
    """The document in `1/`."""


@dataclass(frozen=True)
class Support:
    """The support of a runtime for a format."""

    environment: str | None = None
    """The toolchain in which it runs on this machine, or BUILT_IN; None if the format is served only on clusters."""
    image: str | None = None
    """Repository of the container image on clusters, without a tag; None if the format is served only here."""
    layout: DirectoryLayout = DirectoryLayout.PLAIN
    """Layout of the directory that the image reads."""
    implementation: str = ""
    """The image's name for the implementation of the format: a platform of Triton, or a class of MLServer."""
    place: str = ""
    """Path of the model's file or directory that the image expects; empty if it is the exported path."""
    batch_rows: int = 1
    """Default maximum number of rows in a run shared by several requests; 1 disables batching.

    It is greater only for formats of tabular models, whose rows are independent of each other: the rows of a graph
    (ONNX, SavedModel) may not be, which its file does not show. Tabular models are tested as well when they are loaded.
    """


@dataclass(frozen=True)
class Runtime:
    """A kind of model server."""

    name: str
    module: str
    """The module that `python -m` starts on this machine."""
    formats: Mapping[str, Support]
    has_grpc: bool = False
    takes_parameters: bool = False
    """True if it supports the `parameters` of a variant."""

    @property
    def served_here(self) -> tuple[str, ...]:
        """Return the formats that it serves on this machine."""
        return tuple(name for name, support in self.formats.items() if support.environment is not None)


def _kleverserve(environment: str, batch_rows: int = 1) -> Support:
    image = "kleverserve" if environment == BUILT_IN else f"kleverserve-{environment}"
    return Support(environment, f"{REPOSITORY}/{image}", batch_rows=batch_rows)


def _triton(platform: str, file: str, environment: str | None = None) -> Support:
    """Describe a format served by a backend of Triton on clusters, and by an adapter in its python backend here."""
    return Support(environment, "nvcr.io/nvidia/tritonserver", DirectoryLayout.TRITON, platform, f"1/{file}")


def _mlserver(implementation: str) -> Support:
    return Support("mlserver", "docker.io/seldonio/mlserver", DirectoryLayout.MLSERVER, implementation)


TABULAR_ROWS = 64
_TABULAR_ROWS_IN_TRITON = 65_536
"""Large, because Triton applies the same limit to single requests."""

_KLEVERSERVE = Runtime(
    "kleverserve",
    "kleverserve",
    {
        "ONNX": _kleverserve(BUILT_IN),
        "SavedModel": _kleverserve("openvino"),
        "GraphDef": _kleverserve("openvino"),
        "TFLite": _kleverserve("openvino"),
        "OpenVINO": _kleverserve("openvino"),
        "SKLearn": _kleverserve("sklearn", TABULAR_ROWS),
        "XGBoost": _kleverserve("sklearn", TABULAR_ROWS),
        "LightGBM": _kleverserve("sklearn", TABULAR_ROWS),
        "CatBoost": _kleverserve("sklearn", TABULAR_ROWS),
        "TorchScript": _kleverserve("torch"),
        "ExportedProgram": _kleverserve("torch"),
        "PMML": _kleverserve("pmml", TABULAR_ROWS),
    },
    takes_parameters=True,
)
_TRITON = Runtime(
    "triton",
    "kleverserve.triton",
    {
        "ONNX": _triton("onnxruntime_onnx", "model.onnx", "triton"),
        "SavedModel": _triton("tensorflow_savedmodel", "model.savedmodel", "triton"),
        "GraphDef": _triton("tensorflow_graphdef", "model.graphdef", "triton"),
        "TFLite": Support("triton"),
        "OpenVINO": Support("triton"),
        **dict.fromkeys(
            ("SKLearn", "XGBoost", "LightGBM", "CatBoost"), Support("triton", batch_rows=_TABULAR_ROWS_IN_TRITON)
        ),
        "TorchScript": _triton("pytorch_libtorch", "model.pt"),
        "TensorRT": _triton("tensorrt_plan", "model.plan"),
    },
    has_grpc=True,
)
_MLSERVER = Runtime(
    "mlserver",
    "kleverserve.mlserver",
    {
        "MLflow": _mlserver("mlserver_mlflow.MLflowRuntime"),
        "SKLearn": _mlserver("mlserver_sklearn.SKLearnModel"),
        "XGBoost": _mlserver("mlserver_xgboost.XGBoostModel"),
        "LightGBM": _mlserver("mlserver_lightgbm.LightGBMModel"),
        "CatBoost": _mlserver("mlserver_catboost.CatboostModel"),
    },
    has_grpc=True,
)
_OPENSCORING = Runtime(
    "openscoring",
    "kleverserve",  # the server also has OpenScoring's REST API for PMML
    {
        "PMML": Support(
            "pmml", f"{REPOSITORY}/openscoring", DirectoryLayout.OPENSCORING, "", "1/model.pmml", TABULAR_ROWS
        )
    },
    takes_parameters=True,
)

RUNTIMES: Mapping[str, Runtime] = MappingProxyType(
    {runtime.name: runtime for runtime in (_KLEVERSERVE, _TRITON, _MLSERVER, _OPENSCORING)}
)
"""By name. The first runtime that serves a format is the default."""


def supports(layout: DirectoryLayout) -> dict[str, Support]:
    """Return the formats that images with this directory layout serve."""
    return {
        name: support
        for runtime in RUNTIMES.values()
        for name, support in runtime.formats.items()
        if support.image is not None and support.layout is layout
    }


def usual_layout(model_format: str | None) -> DirectoryLayout:
    """Return the directory layout of the server most used for a format outside Klever; PLAIN if there is none."""
    runtimes = (runtime.formats.get(model_format or "") for runtime in RUNTIMES.values())
    return next(
        (support.layout for support in runtimes if support and support.layout is not DirectoryLayout.PLAIN),
        DirectoryLayout.PLAIN,
    )
