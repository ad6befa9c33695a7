"""The configuration of a Keras model, versions 1 to 3: the JSON of `model.to_json()`, in H5 and .keras files."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from kleverproto.signatures import Tensor
from modelformats.errors import InvalidModelError
from modelformats.weights import BITS, unknown_tensors

from .keras_shapes import Shape, result_shape

INPUT = "InputLayer"
QUANTIZED = "_from_"
"""The separator in names of policies between the type of quantized weights and that of results."""
DTYPES = {name: name for name in (*BITS, "str")}
NO_SHAPE = (
    "the configuration contains layers, not shapes, and the output shape of this model's last layers is not known"
)
NO_LAYERS = "the model is a user-defined class, whose layers and inputs are in its Python code"


@dataclass
class KerasModel:
    """The content of a configuration."""

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    operators: dict[str, int] = field(default_factory=dict)
    """Number of layers by class, including nested models."""
    details: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass
class _Layer:
    kind: str
    config: dict[str, Any]
    shape: Shape | None


@dataclass(frozen=True)
class _End:
    """An input or output of a model."""

    name: str
    layer: str
    tensor: int
    """The index of the layer's result."""


def read_config(model: Any) -> KerasModel:
    """Parse a model's configuration from JSON. Raises InvalidModelError, or any error that invalid JSON causes."""
    if not isinstance(model, dict) or not isinstance(model.get("class_name"), str):
        raise InvalidModelError("the configuration contains no model: it has no class_name")
    config = model.get("config")
    layers = config if isinstance(config, list) else (config or {}).get("layers")  # Keras 1 has a list
    details = {"model": model["class_name"], "name": config.get("name") if isinstance(config, dict) else None}
    if not layers:
        unknown = dict.fromkeys(("inputs", "outputs"), NO_LAYERS)
        return KerasModel(operators={model["class_name"]: 1}, details=details, unknown=unknown)
    described = _described(layers)
    if isinstance(config, dict) and "output_layers" in config:
        inputs = _named(_ends(config["input_layers"]), described)
        outputs = _named(_ends(config["output_layers"]), described)
    else:
        names = list(described)
        first = described[names[0]]
        start = _Layer(first.kind, first.config, _declared(layers[0]) or _declared({"config": config}))
        inputs, outputs = [_tensor(names[0], start)], [_tensor(names[-1], described[names[-1]])]
    written = ((tensor.name, tensor.dtype) for tensor in (*inputs, *outputs) if tensor.dtype)
    return KerasModel(
        inputs=_known(inputs),
        outputs=_known(outputs),
        operators=dict(sorted(Counter(_kinds(layers)).items())),
        details=details,
        unknown=({"outputs": NO_SHAPE} if any(tensor.shape is None for tensor in outputs) else {})
        | unknown_tensors(DTYPES, written),
    )


def _described(layers: list[Any]) -> dict[str, _Layer]:
    """Return layers by name, with the shapes of their results. A layer is listed after those that it depends on."""
    described: dict[str, _Layer] = {}
    previous: Shape | None = None
    for layer in layers:
        config = layer["config"] if isinstance(layer["config"], dict) else {}
        name = str(layer.get("name") or config.get("name"))
        if "inbound_nodes" in layer:
            inputs = _input_shapes(layer["inbound_nodes"], described)
        else:
            inputs = [_declared(layer) if previous is None else previous]
        known = [shape for shape in inputs if shape is not None]
        shape = _declared(layer) if layer["class_name"] == INPUT else None
        if shape is None and len(known) == len(inputs):
            shape = result_shape(layer["class_name"], config, known)
        described[name] = _Layer(layer["class_name"], config, shape)
        previous = shape
    return described


def _declared(layer: Any) -> Shape | None:
    """Return the input shape of a layer if its configuration contains it; the name of the field changed twice."""
    config = layer["config"] if isinstance(layer["config"], dict) else {}
    for key in ("batch_shape", "batch_input_shape", "build_input_shape"):
        if isinstance(config.get(key), list):
            return _shape(config[key])
    return None


def _shape(sizes: list[Any]) -> Shape | None:
    sizes = [-1 if size is None else size for size in sizes]
    return tuple(sizes) if all(isinstance(size, int) for size in sizes) else None


def _input_shapes(nodes: list[Any], described: dict[str, _Layer]) -> list[Shape | None]:
    """Return the input shapes.

    A layer that is used twice has results of two shapes, which its name does not distinguish: None.
    """
    if len(nodes) != 1:
        return [None]
    return [described[name].shape if shape is None else shape for name, shape in _consumed(nodes[0])]


def _consumed(node: Any) -> Iterator[tuple[str, Shape | None]]:
    """Yield the layers whose results a layer consumes.

    Keras 3 has tensors in `args`, Keras 2 has [name, node, tensor, kwargs].
    """
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        yield str(node["config"]["keras_history"][0]), _shape(node["config"]["shape"])
    elif isinstance(node, dict):
        yield from _consumed(node.get("args", []))
    elif isinstance(node, list) and len(node) >= 3 and isinstance(node[0], str):  # noqa: PLR2004
        yield node[0], None
    elif isinstance(node, list):
        for part in node:
            yield from _consumed(part)


def _named(ends: Iterator[_End], described: dict[str, _Layer]) -> list[Tensor]:
    """Return the tensors of a model by their names in it; several tensors of one layer are numbered."""
    tensors: list[Tensor] = []
    uses = Counter[str]()
    for end in ends:
        layer = described[end.layer]
        known = layer if end.tensor == 0 else replace(layer, shape=None)  # a shape is that of the layer's first result
        name = f"{end.name}_{uses[end.name]}" if uses[end.name] else end.name
        uses[end.name] += 1
        tensors.append(_tensor(name, known))
    return tensors


def _ends(ends: Any) -> Iterator[_End]:
    """Yield the entries of `input_layers` and `output_layers`: [name, node, tensor], or a list or mapping of such.

    The keys of a mapping are the model's own names of inputs and outputs; otherwise these are the names of layers.
    """
    if isinstance(ends, dict):
        for key, end in ends.items():
            yield from _ends(end) if _several(end) else (replace(each, name=key) for each in _ends(end))
    elif _several(ends):
        for end in ends:
            yield from _ends(end)
    else:
        name, *place = ends
        yield _End(str(name), str(name), place[1] if len(place) > 1 else 0)


def _several(ends: Any) -> bool:
    return isinstance(ends, dict) or not (ends and isinstance(ends[0], str))


def _kinds(layers: list[Any]) -> Iterator[str]:
    """Yield the classes of layers, at any depth of the JSON."""
    for layer in layers:
        yield str(layer["class_name"])
        config = layer["config"]
        for inner in (config.get("layers"), [config.get("layer")] if config.get("layer") else None):
            if isinstance(inner, list):
                yield from _kinds(inner)


def _tensor(name: str, layer: _Layer) -> Tensor:
    return Tensor(name=name, dtype=_dtype(layer.config.get("dtype")), shape=layer.shape)


def _dtype(declared: Any) -> str | None:
    """Return the type of a name, or of a policy by name or configuration: with mixed precision, the type of results."""
    if isinstance(declared, dict):
        declared = (declared.get("config") or {}).get("name")
    if not isinstance(declared, str):
        return None
    name = declared.rpartition(QUANTIZED)[2].removeprefix("mixed_")
    return "str" if name == "string" else name


def _known(tensors: list[Tensor]) -> tuple[Tensor, ...]:
    return tuple(t if t.dtype in DTYPES else t.model_copy(update={"dtype": None}) for t in tensors)
