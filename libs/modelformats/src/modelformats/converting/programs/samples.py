"""The inputs and outputs of a run of a model, as .npz files. Needs numpy, which every toolchain has."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .program import INVALID_MODEL, ProblemError, Request

Array = NDArray[np.generic]


def read_samples(request: Request) -> dict[str, Array]:
    """The arrays to run the model on, by input name, in the order of the source's signature."""
    with np.load(request.sample_files()[0], allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def write_results(request: Request, outputs: Mapping[str, Array]) -> None:
    """Write what the model gave, by output name, in the model's order."""
    with request.sample_files()[1].open("wb") as file:
        np.savez(file, **{name: _plain(np.asarray(value)) for name, value in outputs.items()})  # type: ignore[arg-type]


def _plain(array: Array) -> Array:
    """Texts as numpy's own type for them: an array of objects could not be read again."""
    return array.astype(np.str_) if array.dtype == object else array


def matched(samples: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
    """Each input's sample: by name where the names agree, else by position, since converters may rename inputs.

    Columns of a table are one matrix to a model that takes one. Raises ProblemError when the model takes another number
    of inputs.
    """
    if len(names) == 1 and len(samples) > 1 and are_columns(samples):
        return {names[0]: np.stack(list(samples.values()), axis=1)}
    if len(samples) != len(names):
        raise ProblemError(
            INVALID_MODEL,
            f"the model takes {len(names)} inputs ({', '.join(names)}), there are samples for {len(samples)}",
        )
    if set(samples) == set(names):
        return {name: samples[name] for name in names}
    return dict(zip(names, samples.values(), strict=True))


def are_columns(samples: Mapping[str, Array]) -> bool:
    """Whether they are columns of numbers, as long as each other."""
    arrays = list(samples.values())
    return len({array.shape for array in arrays}) == 1 and all(a.ndim == 1 and a.dtype.kind in "biuf" for a in arrays)
