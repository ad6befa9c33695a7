"""ONNX under MLServer, which has no runtime for it: a custom one, written as its documentation describes."""

from typing import Any

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxRuntime(MLModel):  # type: ignore[misc]
    """Runs the file of `parameters.uri` with one thread, like the other servers."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        uri = self.settings.parameters.uri
        self._session = onnxruntime.InferenceSession(uri, options, providers=["CPUExecutionProvider"])
        self._outputs = [node.name for node in self._session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        inputs = {each.name: self.decode(each, default_codec=NumpyCodec) for each in payload.inputs}
        arrays = self._session.run(self._outputs, inputs)
        outputs = [self._encoded(name, array) for name, array in zip(self._outputs, arrays, strict=True)]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)

    def _encoded(self, name: str, array: Any) -> Any:
        return NumpyCodec.encode_output(name, array)
