"""Reads the inputs and writes the outputs of a run of a model, as .npz files.

Requires numpy, which every toolchain has.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .program import INVALID_MODEL, TOOLCHAIN_FAILED, ProblemError, Request

Array = NDArray[np.generic]


def first_that_runs(run_once: Callable[[Request], dict[str, str]]) -> Callable[[Request], dict[str, str]]:
    """Run a model on the first of several sets of samples that it accepts and whose outputs are informative.

    The request then has directories: `samples` with an .npz file for each set, in order, and `results`, where the
    outputs of that set are written under the same name. If no outputs are informative, the first set that ran counts.
    """

    def run(request: Request) -> dict[str, str]:
        samples, results = request.sample_files()
        silent: tuple[Path, dict[str, str]] | None = None
        refused: list[Exception] = []
        for path in sorted(samples.glob("*.npz")):
            made = results / path.name
            try:
                used = run_once(replace(request, samples=path, results=made))
            except (MemoryError, ProblemError):
                raise  # other sets do not help: none is smaller than the first, or has other inputs
            except Exception as error:  # noqa: BLE001  # frameworks raise anything for inputs that a model does not take
                refused.append(error)
                made.unlink(missing_ok=True)
                continue
            if _is_informative(made):
                if silent is not None:
                    silent[0].unlink()
                return used
            if silent is None:
                silent = made, used
            else:
                made.unlink()
        if silent is None:
            raise refused[0] if refused else ProblemError(TOOLCHAIN_FAILED, "there are no samples to run the model on")
        return silent[1]

    return run


def _is_informative(results: Path) -> bool:
    """Return whether an output has finite values, or labels, that are not all the same."""
    with np.load(results, allow_pickle=False) as arrays:
        return any(_varies(arrays[name]) for name in arrays.files)


def _varies(values: Array) -> bool:
    if values.dtype.kind not in "fc":
        return len(np.unique(values)) > 1
    finite = values[np.isfinite(values)]
    return finite.size > 0 and float(np.ptp(finite)) > 0


def read_samples(request: Request) -> dict[str, Array]:
    """Return the arrays for the model, by input name, in the order of the source's signature."""
    with np.load(request.sample_files()[0], allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def write_results(request: Request, outputs: Mapping[str, Array]) -> None:
    """Write the outputs by name, in the model's order."""
    with request.sample_files()[1].open("wb") as file:
        np.savez(file, **{name: _plain(np.asarray(value)) for name, value in outputs.items()})  # type: ignore[arg-type]


def _plain(array: Array) -> Array:
    """Convert texts to numpy's type for them, because an array of objects cannot be read again."""
    return array.astype(np.str_) if array.dtype == object else array


def matched(samples: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
    """Return each input's sample: by name if the names agree, else by position, since converters may rename inputs.

    For a model with one input, columns of a table are one matrix. Raises ProblemError if the number of inputs differs.
    """
    if len(names) == 1 and len(samples) > 1 and are_columns(samples):
        return {names[0]: np.stack(list(samples.values()), axis=1)}
    if len(samples) != len(names):
        raise ProblemError(
            INVALID_MODEL,
            f"the model has {len(names)} inputs ({', '.join(names)}), but there are samples for {len(samples)}",
        )
    if set(samples) == set(names):
        return {name: samples[name] for name in names}
    return dict(zip(names, samples.values(), strict=True))


def are_columns(samples: Mapping[str, Array]) -> bool:
    """Return whether these are columns of numbers of equal length."""
    arrays = list(samples.values())
    return len({array.shape for array in arrays}) == 1 and all(a.ndim == 1 and a.dtype.kind in "biuf" for a in arrays)
