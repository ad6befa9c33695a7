"""How a Keras model takes its inputs."""

from collections.abc import Mapping
from typing import Any

from ..samples import Array, matched


def arranged(model: Any, samples: Mapping[str, Array]) -> Any:
    """The samples as the model was built to take them: a tensor, a list, or a dictionary by its keys."""
    # Of functional models, in Keras 3 and in Keras 2.
    built = getattr(model, "_inputs_struct", getattr(model, "_nested_inputs", None))
    if isinstance(built, dict):
        return matched(samples, list(built))
    arrays = list(matched(samples, [tensor.name for tensor in model.inputs]).values())
    return arrays if len(arrays) > 1 else arrays[0]
