"""Runs a TensorFlow model once: SavedModel, GraphDef or Keras (H5, .keras)."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from ..keras import models as keras_models
from ..keras.inputs import arranged
from ..program import Request, main, versions
from ..samples import Array, first_that_runs, matched, read_samples, write_results
from .models import chosen_signature, ends_of, read_graph


def convert(request: Request) -> dict[str, str]:
    """Run the model on the samples."""
    samples = read_samples(request)
    write_results(request, _run(request, samples))
    return versions("tensorflow-cpu")


def _run(request: Request, samples: Mapping[str, Array]) -> Mapping[str, Any]:
    match request.format:
        case "SavedModel":
            return _run_saved_model(request, samples)
        case "GraphDef":
            return _run_graph(request, samples)
        case _:
            return _run_keras(request, samples)


def _run_saved_model(request: Request, samples: Mapping[str, Array]) -> Mapping[str, Any]:
    tag, key = chosen_signature(request)
    model = tf.saved_model.load(str(request.source), tags=[tag])
    function = model.signatures[key]
    names = sorted(function.structured_input_signature[1])
    return dict(function(**{name: tf.constant(value) for name, value in matched(samples, names).items()}))


def _run_graph(request: Request, samples: Mapping[str, Array]) -> Mapping[str, Any]:
    graph = read_graph(request.file)
    inputs, outputs = ends_of(graph, request)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.graph_util.import_graph_def(graph, name="")
        feeds = matched({_with_index(name): value for name, value in samples.items()}, inputs)
        return dict(zip(outputs, session.run(outputs, feeds), strict=True))


def _with_index(name: str) -> str:
    return name if ":" in name else f"{name}:0"


def _run_keras(request: Request, samples: Mapping[str, Array]) -> Mapping[str, Any]:
    model, _ = keras_models.load(request)
    result = model(arranged(model, samples), training=False)
    if isinstance(result, dict):
        return result
    outputs = tf.nest.flatten(result)
    names = getattr(model, "output_names", None) or [f"output_{position}" for position in range(len(outputs))]
    return dict(zip(names, outputs, strict=True))


if __name__ == "__main__":
    main(first_that_runs(convert))
