"""What our runtimes add to MLServer's: metadata that is true, 400 for bad input, and an end when nothing loads."""

import logging
from math import prod

from mlserver import MLModel
from mlserver.errors import InferenceError, MLServerError
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor, RequestInput, RequestOutput

from kleverserve.command_line import EXIT_CANNOT_LOAD, fail

log = logging.getLogger(__name__)


class Described(MLModel):
    """Comes before one of MLServer's runtimes among the bases of a class.

    MLServer's runtimes publish no outputs, or other names than they answer with (MLflow). Here the metadata's outputs
    are what a run on zeros answers with; if the model refuses zeros, they stay as they were.
    """

    refusals: tuple[type[Exception], ...] = (ValueError, TypeError)
    """What the model raises about inputs that it does not take; MLServer would answer 500."""

    inputs: list[MetadataTensor] | None
    outputs: list[MetadataTensor] | None

    async def load(self) -> bool:
        """Load the model, or end the process: it serves nothing else, and MLServer would go on without it."""
        try:
            loaded = await super().load()
        except Exception as error:  # whatever the framework raises
            message = f"cannot load the model: {type(error).__name__}: {error}"
            raise SystemExit(fail(message, EXIT_CANNOT_LOAD)) from error
        self.inputs = self.inputs or self.known_inputs()
        if self.inputs:
            await self._learn_outputs()
        return bool(loaded)

    def known_inputs(self) -> list[MetadataTensor]:
        """The inputs as far as the loaded model tells them."""
        return []

    def known_outputs(self) -> list[str]:
        """The outputs that can be asked for; none if all are always answered."""
        return []

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """See `MLModel.predict`; what the model refuses is answered with 400."""
        try:
            return await super().predict(payload)
        except MLServerError:
            raise
        except self.refusals as error:
            raise InferenceError(f"the model refuses the inputs: {' '.join(str(error).split()):.500}") from error

    async def _learn_outputs(self) -> None:
        inputs = [_zeros(tensor) for tensor in self.inputs or ()]
        wanted = [RequestOutput(name=name) for name in self.known_outputs()]
        try:
            answer = await self.predict(InferenceRequest(inputs=inputs, outputs=wanted or None))
        except Exception as error:  # noqa: BLE001  # the model may fail in any way on what it was not made for
            log.warning("the outputs are not described: the model fails on zeros: %s", error)
            return
        self.outputs = [
            MetadataTensor(name=output.name, datatype=output.datatype, shape=[-1, *output.shape[1:]])
            for output in answer.outputs
        ]


def _zeros(tensor: MetadataTensor) -> RequestInput:
    """One row of zeros."""
    shape = [max(length, 1) for length in tensor.shape]
    fill: object = {"BYTES": "", "BOOL": False}.get(tensor.datatype, 0)
    data = [fill] * prod(shape)
    return RequestInput(
        name=tensor.name, datatype=tensor.datatype, shape=shape, data=data, parameters=tensor.parameters
    )
