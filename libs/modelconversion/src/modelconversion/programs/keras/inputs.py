"""The structure of a Keras model's inputs."""

from collections.abc import Mapping
from typing import Any

from ..samples import Array, matched


def arranged(model: Any, samples: Mapping[str, Array]) -> Any:
    """Return the samples in the structure that the model requires: a tensor, a list, or a dictionary by its keys."""
    # an attribute of functional models, in Keras 3 and in Keras 2
    built = getattr(model, "_inputs_struct", getattr(model, "_nested_inputs", None))
    if isinstance(built, dict):
        return matched(samples, list(built))
    arrays = list(matched(samples, [tensor.name for tensor in model.inputs]).values())
    return arrays if len(arrays) > 1 else arrays[0]
