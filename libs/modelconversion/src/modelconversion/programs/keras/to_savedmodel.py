"""Converts a Keras model, H5 or .keras, to a TensorFlow SavedModel with the signature that servers use."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from ..program import Request, main, print_progress, versions
from . import models

DEFAULT = "serving_default"


def convert(request: Request) -> dict[str, str]:
    """Convert the model with the Keras that wrote it; inputs and outputs keep the model's names."""
    model, package = models.load(request)
    print_progress(f"loaded {model.name} with {package}")
    if package == "tf_keras":
        signatures = {DEFAULT: _signature(model, request).get_concrete_function()} if _is_built(model) else None
        model.save(request.destination, save_format="tf", signatures=signatures)
    else:
        _export(model, request)
    return versions("tensorflow-cpu", package.replace("_", "-"))


def _is_built(model: Any) -> bool:
    """Return whether the model consists of known layers, unlike a user-defined class."""
    return bool(getattr(model, "inputs", None))


def _export(model: Any, request: Request) -> None:
    import keras  # noqa: PLC0415  # takes seconds, and Keras 2 has no need of it

    if not _is_built(model):
        model.export(request.destination, format="tf_saved_model", verbose=False)
        return
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(DEFAULT, _signature(model, request))
    archive.write_out(request.destination, verbose=False)


def _signature(model: Any, request: Request) -> Any:
    """Return a function of the model's inputs that returns its outputs by name."""
    names = [entry.name for entry in request.outputs] or getattr(model, "output_names", None) or [model.layers[-1].name]
    taken = getattr(model, "input", None)
    inputs = _specified(_only(model.inputs) if taken is None else taken)
    return tf.function(lambda given: _named(model(given, training=False), names), input_signature=[inputs])


def _only(inputs: Any) -> Any:
    """Return the input of a sequence of layers, which has no input until it is called."""
    return inputs[0] if len(inputs) == 1 else list(inputs)


def _specified(inputs: Any, key: str | None = None) -> Any:
    """Return types and shapes in the structure of the model's inputs: one, a list, or a dictionary by its keys."""
    if isinstance(inputs, dict):
        return {name: _specified(value, name) for name, value in inputs.items()}
    if isinstance(inputs, list | tuple):
        return [_specified(value) for value in inputs]
    return tf.TensorSpec(inputs.shape, inputs.dtype, name=key or inputs.name)


def _named(outputs: Any, names: list[str]) -> dict[str, Any]:
    """Return a dictionary's tensors by their keys; others by the model's names, in order."""
    if isinstance(outputs, dict) and not any(isinstance(value, dict | list | tuple) for value in outputs.values()):
        return outputs
    tensors = list(_tensors(outputs))
    if len(names) != len(tensors):
        names = [f"output_{position}" for position in range(len(tensors))]
    return dict(zip(names, tensors, strict=True))


def _tensors(outputs: Any) -> Iterator[Any]:
    if isinstance(outputs, dict | list | tuple):
        for value in outputs.values() if isinstance(outputs, dict) else outputs:
            yield from _tensors(value)
    else:
        yield outputs


if __name__ == "__main__":
    main(convert)
