"""A model answers a sample before its server is ready, so that one which loads but cannot run is never ready."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .breakage import is_broken
from .deadline import within
from .errors import ModelLoadError
from .model import Model
from .samples import made_up
from .tensors import Array

log = logging.getLogger(__name__)

SECONDS = 60.0
"""How long the samples may take, all together."""


@dataclass(frozen=True)
class Trial:
    """How a model took what was made up for it."""

    sample: Mapping[str, Array] | None = None
    """Inputs that it has answered; None where it refused them all."""
    refusals: list[Exception] = field(default_factory=list)
    """Why it refused others, in their order."""


def try_out(model: Model, seconds: float = SECONDS) -> Trial:
    """Have the model answer one of some small samples.

    That it refuses what was made up is no fault of the model: its author may check values, or shapes that the metadata
    leaves open. Where it refuses all of them, the server may be ready, with a warning in its log.

    Raises:
        ModelLoadError: it answers none, and one failure shows that it is broken; or it takes too long.
    """
    try:
        trial = within(seconds, lambda: _try(model))
    except TimeoutError as error:
        raise ModelLoadError(
            f"the model did not answer a small sample within {seconds:g} s: "
            "see that it runs where it was made, or give it more threads"
        ) from error
    if trial.sample is not None:
        return trial
    if broken := next((each for each in trial.refusals if is_broken(each)), None):
        raise ModelLoadError(f"the model was loaded but fails when it is run: {broken}") from broken
    last = trial.refusals[-1] if trial.refusals else "its inputs are larger than a request"
    log.warning("the model was not tried out: no made-up sample fits it (%s)", last)
    return trial


def samples(model: Model) -> Iterator[Mapping[str, Array]]:
    """What the model should take by its own files, and then what was made up."""
    if model.example is not None:
        yield model.example
    yield from made_up(model.inputs)


def _try(model: Model) -> Trial:
    outputs = [spec.name for spec in model.outputs]
    refusals: list[Exception] = []
    for sample in samples(model):
        try:
            model.predict(sample, outputs)
        except Exception as error:  # noqa: BLE001 - an adapter may fail, too, on what nobody thought of
            refusals.append(error)
        else:
            return Trial(sample, refusals)
    return Trial(None, refusals)
