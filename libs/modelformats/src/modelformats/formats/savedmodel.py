"""TensorFlow SavedModel: saved_model.pb, read without its constants. The files in variables/ are not read."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import NO_PLAIN_TENSOR, Signature, Tensor
from modelfiles import recognition
from modelformats.errors import InvalidModelError
from modelformats.format import model_file, reading

from .savedmodel_messages import SCHEMA
from .tensorflow_types import dtype_of, why_untyped

FILE = "saved_model.pb"
SERVE, DEFAULT = "serve", "serving_default"
SHOWN = 10
"""Maximum number of signatures that a warning names."""
COMPOSITES = {1: "sparse", 3: "ragged"}
"""TypeSpecProto.TypeSpecClass (tensorflow/core/protobuf/struct.proto)."""
VARIABLES = {"VarHandleOp", "VariableV2", "Variable"}
INDEX, DATA = "variables.index", re.compile(r"variables\.data-\d{5}-of-(\d{5})")
NOT_FOR_SERVING = {"__saved_model_init_op", "__saved_model_train_op"}


class SavedModel:
    """See `modelformats.format.Format`."""

    name = "SavedModel"

    def detect(self, directory: Path) -> bool:
        """Detect saved_model.pb."""
        return recognition.SAVED_MODEL.is_followed(directory)

    def validate(self, directory: Path) -> None:
        """Check for saved_model.pb at the top, and for the files of its variables."""
        path = model_file(recognition.SAVED_MODEL, directory)
        try:
            with reading(path, "SavedModel"):
                graph = _meta_graph(path)
        except InvalidModelError:
            return  # `extract` reports the problem
        _check_variables(directory, graph)

    def extract(self, directory: Path) -> Signature:
        """Return the tensors of the serving signature, and operators of the graph and its functions."""
        path = model_file(recognition.SAVED_MODEL, directory)
        with reading(path, "SavedModel"):
            graph = _meta_graph(path)
            _check_variables(directory, graph)
            return _signature(graph)


def _check_variables(directory: Path, graph: Any) -> None:
    """Raise InvalidModelError if the graph has variables whose files are missing."""
    if not any(node.op in VARIABLES for node in graph.graph.nodes):
        return
    names = {path.name for path in (directory / "variables").glob("variables.*") if path.is_file()}
    counts = {int(match[1]) for name in names if (match := DATA.fullmatch(name))}
    wanted = [INDEX, *(f"variables.data-{at:05}-of-{count:05}" for count in counts or {1} for at in range(count))]
    if missing := [name for name in wanted if name not in names]:
        raise InvalidModelError(
            f"{FILE} has variables, whose values are in variables/, but {missing[0]} is missing there: "
            "copy the whole directory that TensorFlow wrote"
        )


def _meta_graph(path: Path) -> Any:
    """Return the graph tagged `serve`, else the first."""
    graphs = SCHEMA.read(path).meta_graphs
    if not graphs:
        raise InvalidModelError(f"{path.name} has no graph: it is empty or not a SavedModel")
    return next((graph for graph in graphs if SERVE in graph.meta_info.tags), graphs[0])


def _signature(graph: Any) -> Signature:
    signatures = {entry.key: entry.value for entry in graph.signatures if entry.key not in NOT_FOR_SERVING}
    chosen_key = DEFAULT if DEFAULT in signatures else next(iter(sorted(signatures)), None)
    chosen = signatures[chosen_key] if chosen_key else None
    inputs, outputs = _tensors(chosen) if chosen else ((), ())
    unknown = {"parameters": "weights are in variables/, which is not read"}
    if chosen is None:
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
        unknown=unknown | (_untyped(chosen) if chosen else {}),
        warnings=(*_choice(chosen_key, sorted(signatures)), *(_uncarried(chosen) if chosen else ())),
    )


def _choice(chosen: str | None, names: list[str]) -> Iterator[str]:
    """Yield warnings about the signature that is served."""
    if chosen is None:
        yield (
            "the model has no callable signature, so it can be neither served nor converted: "
            'save it with tf.saved_model.save(model, directory, signatures={"serving_default": model.call})'
        )
    elif chosen != DEFAULT:
        others = ", ".join(names[:SHOWN])
        yield (
            f"the model has no signature {DEFAULT}, which servers and converters use, but {others}; {chosen}, the "
            f"first by name, is the one described: save it with the one that is wanted as signatures={{{DEFAULT!r}: …}}"
        )


def _untyped(signature: Any) -> dict[str, str]:
    """Map inputs and outputs without a type, or without type and shape, to the reason."""
    reasons = {entry.key: _why_untyped(entry) for entry in (*signature.inputs, *signature.outputs)}
    return {name: reason for name, reason in reasons.items() if reason}


def _why_untyped(entry: Any) -> str | None:
    kind = _encoding(entry)
    return f"{NO_PLAIN_TENSOR}{kind} one, which consists of several" if kind else why_untyped(entry.value.dtype)


def _uncarried(signature: Any) -> Iterator[str]:
    for entry in _sorted((*signature.inputs, *signature.outputs)):
        if kind := _encoding(entry):
            yield (
                f"{entry.key!r} is a {kind} tensor, which the inference protocol lacks: save a signature that "
                "takes and gives plain tensors"
            )


def _encoding(entry: Any) -> str | None:
    """Return the encoding of a composite tensor; None for a plain one."""
    if entry.value.HasField("coo_sparse"):
        return "sparse"
    if not entry.value.HasField("composite_tensor"):
        return None
    return COMPOSITES.get(entry.value.composite_tensor.type_spec.kind, "ragged or otherwise composite")


def _tensors(signature: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    return tuple(_tensor(e) for e in _sorted(signature.inputs)), tuple(_tensor(e) for e in _sorted(signature.outputs))


def _sorted(entries: Any) -> list[Any]:
    """Return the entries by key: a protobuf map has no order."""
    return sorted(entries, key=lambda entry: str(entry.key))


def _tensor(entry: Any) -> Tensor:
    if _encoding(entry):
        return Tensor(name=entry.key)
    shape = entry.value.shape
    dims = None if shape.unknown_rank else tuple(max(int(dim.size), -1) for dim in shape.dims)
    return Tensor(name=entry.key, dtype=dtype_of(entry.value.dtype), shape=dims)


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
