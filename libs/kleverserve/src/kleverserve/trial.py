"""Runs a model on a sample before its server is ready, so that a model which loads but cannot run is never ready."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .breakage import is_broken
from .deadline import within
from .errors import ModelLoadError
from .model import Model
from .samples import generated_samples
from .tensors import Array

log = logging.getLogger(__name__)

SECONDS = 60.0
"""Timeout for all samples together."""


@dataclass(frozen=True)
class Trial:
    """The result of the trial."""

    sample: Mapping[str, Array] | None = None
    """Inputs that the model accepted; None if it rejected all of them."""
    refusals: list[Exception] = field(default_factory=list)
    """The errors of rejected samples, in order."""


def try_model(model: Model, seconds: float = SECONDS) -> Trial:
    """Run the model on small samples until it accepts one.

    A model may reject generated inputs: its author may check values, or shapes that the metadata leave open. If it
    rejects all of them, the server becomes ready with a warning in its log.

    Raises:
        ModelLoadError: it accepts none, and an error shows that it is broken; or the timeout expired.
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
    log.warning("the model was not tested: it accepts no generated sample (%s)", last)
    return trial


def samples(model: Model) -> Iterator[Mapping[str, Array]]:
    """Yield the example in the model's files, and then generated inputs."""
    if model.example is not None:
        yield model.example
    yield from generated_samples(model.inputs)


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
