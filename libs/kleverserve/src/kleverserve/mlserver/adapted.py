"""Models in MLServer with the adapters of the built-in server: both have the same tensors and results."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from mlserver import MLModel
from mlserver.errors import MLServerError
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor, Parameters

from kleverserve.command_line import EXIT_CANNOT_LOAD, fail
from kleverserve.errors import ApiError, InvalidRequestError, ModelLoadError
from kleverserve.model import Model, ModelLoader, TensorSpec
from kleverserve.trial import try_model
from modelfiles.selection import FileSelectionError

from .tensors import arrays, output


class Adapted(MLModel):
    """The base of a runtime, which names the adapter that loads its models.

    Without `outputs` in a request, the response contains the first output, as in MLServer's own runtimes.
    """

    loader: ClassVar[ModelLoader]
    inputs: list[MetadataTensor] | None
    outputs: list[MetadataTensor] | None

    async def load(self) -> bool:
        """Load the model and run it on a sample, or exit: MLServer would continue without it."""
        given = self.settings.parameters.extra
        try:
            self._model: Model = type(self).loader(Path(given["directory"]), threads=given["threads"])
            try_model(self._model)
        except (FileSelectionError, ModelLoadError) as error:
            raise SystemExit(fail(f"cannot load the model: {error}", EXIT_CANNOT_LOAD)) from error
        self.inputs, self.outputs = _described(self._model.inputs), _described(self._model.outputs)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """See `MLModel.predict`."""
        try:
            wanted = _wanted(payload, self._model.outputs)
            results = self._model.predict(arrays(payload.inputs, self._model.inputs), wanted)
        except ApiError as error:
            raise MLServerError(str(error), error.status) from error
        outputs = [output(name, results[name]) for name in wanted]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)


def _described(specs: Sequence[TensorSpec]) -> list[MetadataTensor]:
    return [
        MetadataTensor(
            name=spec.name,
            datatype=spec.datatype,
            shape=list(spec.shape or ()),
            parameters=Parameters(**spec.parameters) if spec.parameters else None,
        )
        for spec in specs
    ]


def _wanted(payload: InferenceRequest, specs: Sequence[TensorSpec]) -> list[str]:
    known = [spec.name for spec in specs]
    wanted = [each.name for each in payload.outputs or ()] or known[:1]
    for name in wanted:
        if name not in known:
            raise InvalidRequestError(f"output '{name:.80}' does not exist; this model has {', '.join(known)}")
    return wanted
