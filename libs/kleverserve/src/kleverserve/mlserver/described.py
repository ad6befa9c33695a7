"""Extends MLServer's runtimes: correct metadata, status 400 for bad input, and exit if the model does not load."""

import asyncio
import logging
from collections.abc import Iterator, Sequence

from mlserver import MLModel
from mlserver.errors import InferenceError, MLServerError
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor, RequestInput

from kleverserve.breakage import is_broken
from kleverserve.command_line import EXIT_CANNOT_LOAD, fail
from kleverserve.deadline import within
from kleverserve.model import TensorSpec
from kleverserve.samples import generated_samples
from kleverserve.tensors import Datatype
from kleverserve.trial import SECONDS
from modelfiles.unpickling.allowlist import Allowlist
from modelfiles.unpickling.guard import guarded

log = logging.getLogger(__name__)


class Described(MLModel):
    """A mixin to use before one of MLServer's runtimes.

    MLServer's runtimes publish no outputs, or names that differ from those in responses (MLflow). This class publishes
    the outputs of a response to a sample. If the model rejects all samples, the metadata do not change.
    """

    refusals: tuple[type[Exception], ...] = (ValueError, TypeError)
    """Errors that the model raises for invalid inputs, to which MLServer would respond with 500."""

    inputs: list[MetadataTensor] | None
    outputs: list[MetadataTensor] | None

    async def load(self) -> bool:
        """Load the model, or exit: it is the only model, and MLServer would continue without it."""
        try:
            with guarded(Allowlist.from_environment()):  # MLServer's runtimes unpickle without the restricted loader
                loaded = await super().load()
        except Exception as error:  # any error of the framework
            raise self._exit(f"{type(error).__name__}: {error}") from error
        if self.inputs:
            await self._learn_outputs()
        return bool(loaded)

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """See `MLModel.predict`; rejected inputs have status 400."""
        try:
            return await super().predict(payload)
        except MLServerError:
            raise
        except self.refusals as error:
            if is_broken(error):
                raise
            raise InferenceError(f"the model rejects the inputs: {' '.join(str(error).split()):.500}") from error

    def remedy(self) -> str:
        """Return the advice for a model that does not load or run."""
        return ""

    async def _learn_outputs(self) -> None:
        """Run the model on a sample, as the server would. Raises SystemExit if it is broken or too slow."""
        try:
            answer, refusals = within(SECONDS, lambda: asyncio.run(self._answer()))
        except TimeoutError as error:
            raise self._exit(f"the model did not answer a small sample within {SECONDS:g} s") from error
        if answer is not None:
            self.outputs = [
                MetadataTensor(name=output.name, datatype=output.datatype, shape=[-1, *output.shape[1:]])
                for output in answer.outputs
            ]
            return
        if broken := next((each for each in refusals if is_broken(each)), None):
            reason = f"the model was loaded but fails when it is run ({type(broken).__name__}: {broken})"
            raise self._exit(reason) from broken
        log.warning("the model was not tested, and its outputs are not described: it rejects %s", refusals[-1:])

    async def _answer(self) -> tuple[InferenceResponse | None, list[Exception]]:
        """Return the response to the first sample that the model accepts, and the errors of rejected samples."""
        refusals: list[Exception] = []
        for inputs in _samples(self.inputs or ()):
            try:
                return await self.predict(InferenceRequest(inputs=inputs)), refusals
            except Exception as error:  # noqa: BLE001  # it may fail in any way on what it was not made for
                refusals.append(error)
        return None, refusals

    def _exit(self, reason: str) -> SystemExit:
        remedy = self.remedy()
        return SystemExit(fail(f"cannot load the model: {reason}{': ' if remedy else ''}{remedy}", EXIT_CANNOT_LOAD))


def _samples(tensors: Sequence[MetadataTensor]) -> Iterator[list[RequestInput]]:
    specs = [TensorSpec(each.name, Datatype(each.datatype), tuple(each.shape)) for each in tensors]
    for sample in generated_samples(specs):
        yield [
            RequestInput(
                name=each.name,
                datatype=each.datatype,
                shape=list(sample[each.name].shape),
                data=sample[each.name].ravel().tolist(),
                parameters=each.parameters,
            )
            for each in tensors
        ]
