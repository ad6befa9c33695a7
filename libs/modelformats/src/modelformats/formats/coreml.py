"""Core ML (.mlmodel, .mlpackage): input and output features, and the operators of programs, networks and pipelines."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import NO_TENSOR, UNDECLARED_ELEMENTS, Parameters, Signature, Tensor
from modelfiles.selection import Rule
from modelformats.errors import InvalidModelError
from modelformats.format import head, model_file, only_candidate, reading
from modelformats.weights import NEWER, counted, newer_types, unknown_elements

from .coreml_messages import MODEL
from .coreml_weights import program_weights

PACKAGE = "*.mlpackage"
MANIFEST, DATA = "Manifest.json", "Data"
MANIFEST_LIMIT = 1024**2
VERSION_TAG, DESCRIPTION_TAG, VERSIONS = 0x08, 0x12, range(1, 33)
DTYPES = {0x10010: "float16", 0x10020: "float32", 0x10040: "float64", 0x20008: "int8", 0x20020: "int32"}
"""Types of ArrayFeatureType."""
COLORS = {10: 1, 20: 3, 30: 3, 40: 1}
"""Number of channels of each colour space: grey, RGB, BGR, grey in float16."""
GREY_FLOAT16 = 40
SCALARS = ("int64", "float64", "str")
NETWORKS = ("neuralNetwork", "neuralNetworkClassifier", "neuralNetworkRegressor")
CONSTANT = "const"
UNKNOWN_LAYER = "unknown layer"
FRAMEWORK_KEY = "com.github.apple.coremltools.version"


class CoreML:
    """See `modelformats.format.Format`."""

    name = "CoreML"

    def detect(self, directory: Path) -> bool:
        """Detect a *.mlmodel file, a *.mlpackage or its content, or one file that parses as a Core ML model."""
        if RULE.named(directory) or _packages(directory):
            return True
        alike = RULE.alike(directory)
        return len(alike) == 1 and _parses(alike[0])

    def validate(self, directory: Path) -> None:
        """Check for one *.mlmodel file, or one package with the files that it lists."""
        _model_file(directory)

    def extract(self, directory: Path) -> Signature:
        """Return input and output features, and operators of the model or of all models in a pipeline."""
        path = _model_file(directory)
        with reading(path, "Core ML model"):
            return _signature(_load(path), path.parent)


def _packages(directory: Path) -> list[Path]:
    """Return packages in the directory, or the directory itself if it is a package."""
    places = [directory, *sorted(directory.glob(PACKAGE))]
    return [place for place in places if (place / MANIFEST).is_file() and (place / DATA).is_dir()]


def _model_file(directory: Path) -> Path:
    packages = _packages(directory)
    if not packages:
        return model_file(RULE, directory)
    manifest = only_candidate(packages, PACKAGE) / MANIFEST
    with reading(manifest, "manifest of a Core ML package"):
        listed = json.loads(head(manifest, MANIFEST_LIMIT))
        place = str(listed["itemInfoEntries"][listed["rootModelIdentifier"]]["path"])
        data = (packages[0] / DATA).resolve()
        path = (data / place).resolve()
        if not path.is_relative_to(data):
            raise ValueError("its model is not inside the package")
    if not path.is_file():
        raise InvalidModelError(f"{manifest.name} names the file {DATA}/{place}, which is missing: push it too")
    return path


def _looks_like(path: Path) -> bool:
    start = head(path, 3)
    return len(start) == 3 and start[0] == VERSION_TAG and start[1] in VERSIONS and start[2] == DESCRIPTION_TAG  # noqa: PLR2004


def _parses(path: Path) -> bool:
    try:
        with reading(path, "Core ML model"):
            _load(path)
    except InvalidModelError:
        return False
    return True


def _load(path: Path) -> Any:
    model = MODEL.read(path)
    if not model.version or _kind(model) is None:
        raise InvalidModelError(f"{path.name} has no version and model: it is empty or not a Core ML model")
    return model


def _kind(model: Any) -> str | None:
    """Return the kind of a model."""
    names = (field.name for field, _ in model.ListFields())
    return next((str(name) for name in names if name not in {"version", "description"}), None)


def _signature(model: Any, directory: Path) -> Signature:
    main = _main(model.description)
    metadata = model.description.metadata
    own = {entry.key: entry.value for entry in metadata.own}
    named = {name: getattr(metadata, name) for name in ("description", "version", "author", "license")}
    parameters, unknown = _parameters(model, directory)
    features = [*main.inputs, *main.outputs]
    unknown |= {feature.name: reason for feature in features if (reason := _reason(feature.type))}
    return Signature(
        inputs=tuple(_tensor(feature) for feature in main.inputs),
        outputs=tuple(_tensor(feature) for feature in main.outputs),
        operators=dict(sorted(Counter(_operators(model)).items())),
        parameters=parameters,
        framework="coremltools" if FRAMEWORK_KEY in own else "Core ML",
        framework_version=own.get(FRAMEWORK_KEY),
        details={
            "specification_version": model.version,
            "model_type": _kind(model),
            "predicted_feature": main.predicted if hasattr(main, "predicted") and main.predicted else None,
            "functions": [function.name for function in model.description.functions],
            "state": [feature.name for feature in main.state],
            "metadata": {name: text for name, text in {**named, **own}.items() if text},
        },
        unknown=unknown,
    )


def _main(description: Any) -> Any:
    """Return the function that is called by default."""
    chosen = (function for function in description.functions if function.name == description.default)
    return next(chosen, description)


def _tensor(feature: Any) -> Tensor:
    kind = feature.type
    for name in SCALARS:
        if kind.HasField(name):
            return Tensor(name=feature.name, dtype=name, shape=())
    if kind.HasField("array"):
        return Tensor(name=feature.name, dtype=DTYPES.get(kind.array.dtype), shape=_shape(kind.array))
    if kind.HasField("image"):
        image = kind.image
        free = image.HasField("enumerated") or image.HasField("range")
        sizes = (-1, -1) if free else (image.height, image.width)
        dtype = "float16" if image.colors == GREY_FLOAT16 else "uint8"
        channels = COLORS.get(image.colors)
        return Tensor(name=feature.name, dtype=dtype if channels else None, shape=(*sizes, channels or -1))
    return Tensor(name=feature.name)


def _shape(array: Any) -> tuple[int, ...] | None:
    """Return a shape, with -1 for dimensions of variable size; None if it is missing, which is allowed for outputs."""
    if array.range.ranges:
        return tuple(span.lower if span.lower == span.upper else -1 for span in array.range.ranges)
    if array.enumerated.shapes:
        columns = zip(*(shape.sizes for shape in array.enumerated.shapes), strict=True)
        return tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in columns)
    return tuple(array.shape) or None


def _reason(kind: Any) -> str | None:
    """Return the reason why a feature has no type or shape."""
    for name in ("dictionary", "sequence"):
        if kind.HasField(name):
            return f"{NO_TENSOR}{name}, which has no dtype and shape of its own"
    if kind.HasField("image") and kind.image.colors not in COLORS:
        return unknown_elements(f"colour space {kind.image.colors}")
    if kind.HasField("array") and kind.array.dtype not in DTYPES:
        return unknown_elements(hex(kind.array.dtype)) if kind.array.dtype else UNDECLARED_ELEMENTS
    if kind.HasField("array") and _shape(kind.array) is None:
        return "the file does not give its shape"
    return None if kind.ListFields() else f"{NO_TENSOR}feature of an unknown kind: {NEWER}"


def _operators(model: Any) -> Iterator[str]:
    kind = _kind(model)
    if kind is None:
        return
    if kind in NETWORKS:
        yield from _layers(getattr(model, kind))
    elif kind == "mlProgram":
        yield from (operation.type for operation in _operations(model) if operation.type != CONSTANT)
    elif inner := _inner(model):
        for part in inner:
            yield from _operators(part)
    else:
        yield kind


def _inner(model: Any) -> list[Any]:
    """Return the models of a pipeline."""
    pipelines = (model.pipeline, model.pipelineClassifier.pipeline, model.pipelineRegressor.pipeline)
    return [part for pipeline in pipelines for part in pipeline.models]


def _layers(network: Any) -> Iterator[str]:
    for layer in network.layers:
        yield from [field.name for field, _ in layer.ListFields()] or [UNKNOWN_LAYER]
        for inner in (layer.branch.then, layer.branch.otherwise, layer.loop.condition, layer.loop.body):
            yield from _layers(inner)


def _operations(model: Any) -> Iterator[Any]:
    blocks = [entry.value for function in model.mlProgram.functions for entry in function.value.blocks]
    while blocks:
        for operation in blocks.pop().operations:
            yield operation
            blocks.extend(operation.blocks)


def _parameters(model: Any, directory: Path) -> tuple[Parameters | None, dict[str, str]]:
    """Return the tensors of a program that are in its file of weights."""
    if _kind(model) != "mlProgram":
        return None, {"parameters": "only programs contain the shapes of their weights; this model is of an older kind"}
    weights = list(program_weights(_operations(model), directory))
    return counted(weights), newer_types(weights)


RULE = Rule("CoreML", ("*.mlmodel",), _looks_like)
CORE_ML = CoreML()
