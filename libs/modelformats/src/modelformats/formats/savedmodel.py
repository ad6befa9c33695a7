"""TensorFlow SavedModel: saved_model.pb read without the constants in it; variables/ is left unread."""

from collections import Counter
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelformats.errors import InvalidModelError
from modelformats.format import reading

from .savedmodel_messages import SCHEMA
from .tensorflow_types import DTYPES

FILE = "saved_model.pb"
SERVE, DEFAULT = "serve", "serving_default"
NOT_FOR_SERVING = {"__saved_model_init_op", "__saved_model_train_op"}


class SavedModel:
    """See `modelformats.format.Format`."""

    name = "SavedModel"

    def detect(self, directory: Path) -> bool:
        """saved_model.pb is there."""
        return (directory / FILE).is_file()

    def validate(self, directory: Path) -> None:
        """saved_model.pb at the top."""
        if not self.detect(directory):
            raise InvalidModelError(f"expected {FILE} in {directory}, found none")

    def extract(self, directory: Path) -> Signature:
        """The serving signature's tensors; operators of the graph and of its functions."""
        self.validate(directory)
        path = directory / FILE
        with reading(path, "SavedModel"):
            return _signature(_meta_graph(path))


def _meta_graph(path: Path) -> Any:
    """The graph tagged `serve`, else the first."""
    graphs = SCHEMA.read(path).meta_graphs
    if not graphs:
        raise InvalidModelError(f"{path.name} has no graph: it is empty or not a SavedModel")
    return next((graph for graph in graphs if SERVE in graph.meta_info.tags), graphs[0])


def _signature(graph: Any) -> Signature:
    signatures = {entry.key: entry.value for entry in graph.signatures if entry.key not in NOT_FOR_SERVING}
    chosen_key = DEFAULT if DEFAULT in signatures else next(iter(sorted(signatures)), None)
    inputs, outputs = _tensors(signatures[chosen_key]) if chosen_key else ((), ())
    unknown = {"parameters": "weights are in variables/, which is not read"}
    if chosen_key is None:
        unknown["inputs"] = unknown["outputs"] = "the model was saved without signatures"
    return Signature(
        inputs=inputs,
        outputs=outputs,
        operators=_operators(graph.graph),
        framework="TensorFlow",
        framework_version=graph.meta_info.tensorflow_version or None,
        details={
            "tags": sorted(graph.meta_info.tags),
            "signature": chosen_key,
            "signatures": {key: _described(value) for key, value in sorted(signatures.items())},
        },
        unknown=unknown,
    )


def _tensors(signature: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    return tuple(_tensor(e) for e in _sorted(signature.inputs)), tuple(_tensor(e) for e in _sorted(signature.outputs))


def _sorted(entries: Any) -> list[Any]:
    """By key: a protobuf map has no order of its own."""
    return sorted(entries, key=lambda entry: str(entry.key))


def _tensor(entry: Any) -> Tensor:
    shape = entry.value.shape
    dims = None if shape.unknown_rank else tuple(max(int(dim.size), -1) for dim in shape.dims)
    return Tensor(name=entry.key, dtype=DTYPES.get(entry.value.dtype), shape=dims)


def _described(signature: Any) -> dict[str, Any]:
    inputs, outputs = _tensors(signature)
    return {
        "method": signature.method,
        "inputs": [tensor.model_dump(mode="json", include={"name", "dtype", "shape"}) for tensor in inputs],
        "outputs": [tensor.model_dump(mode="json", include={"name", "dtype", "shape"}) for tensor in outputs],
    }


def _operators(graph: Any) -> dict[str, int]:
    nodes = [*graph.nodes, *(node for function in graph.library.functions for node in function.nodes)]
    return dict(sorted(Counter(node.op for node in nodes).items()))


SAVED_MODEL = SavedModel()
