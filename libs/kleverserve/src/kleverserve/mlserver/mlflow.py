"""MLflow models under MLServer."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # only in its toolchain
import yaml
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel
from mlserver.codecs import NumpyRequestCodec
from mlserver.types import InferenceResponse, MetadataTensor
from mlserver_mlflow import MLflowRuntime

from kleverserve.pickles import remedy

from .described import Described

UNNAMED = "input-0"
"""What the only input of a model without a signature is called, as one that its signature gives no name."""


class MLflow(Described, MLflowRuntime):
    """MLServer's runtime; tensors have the names of the model's signature, and columns and results their true shapes.

    A model saved without a signature takes one tensor, unless a request says otherwise by its `content_type`. Where the
    framework inside knows how many columns that has, the metadata say so, and the model is tried with a sample.
    """

    refusals = (ValueError, TypeError, KeyError, MlflowException)

    def encode_response(self, payload: Any, default_codec: Any = None) -> InferenceResponse:
        """See `MLModel.encode_response`; a column is no matrix of one column, and is called as in the signature."""
        response = super().encode_response(payload, default_codec)
        for output, shape in zip(response.outputs, _shapes(payload), strict=False):
            output.shape = list(shape)
        names = _names(self._signature.outputs if self._signature else None)
        if len(names) == len(response.outputs):
            for output, name in zip(response.outputs, names, strict=True):
                output.name = name
        return response

    def _sync_metadata(self) -> None:
        super()._sync_metadata()
        if not self.settings.parameters.content_type:
            # Else MLServer hands the model the request itself.
            self.settings.parameters.content_type = NumpyRequestCodec.ContentType
        if not self._signature and (columns := _columns_of(self._model)):
            self.inputs = [MetadataTensor(name=UNNAMED, datatype="FP64", shape=[-1, columns])]
        if self._signature and not self._signature.inputs.is_tensor_spec():
            self.inputs = [tensor.model_copy(update={"shape": [-1]}) for tensor in self.inputs or ()]

    def remedy(self) -> str:
        """With the version of scikit-learn that the model says it was saved by."""
        try:
            said = yaml.safe_load((Path(self.settings.parameters.uri) / "MLmodel").read_text())
        except (yaml.YAMLError, UnicodeDecodeError):
            return ""
        saved_by = said.get("flavors", {}).get("sklearn", {}).get("sklearn_version")
        return remedy(saved_by) if saved_by else ""


def _columns_of(model: PyFuncModel) -> int | None:
    """How many columns an estimator of scikit-learn, or a booster, was fitted on; None where that is not known."""
    try:
        raw = model.get_raw_model()
    except NotImplementedError:  # code of the author's own
        return None
    known = getattr(raw, "n_features_in_", None) or getattr(raw, "num_features", None)
    return int(known() if callable(known) else known) if known else None


def _names(outputs: Any) -> list[str]:
    """As the catalogue has them: one without a name has its place, from 1 on."""
    return [spec.name or f"output-{place}" for place, spec in enumerate(outputs.inputs if outputs else (), 1)]


def _shapes(payload: Any) -> Iterable[Sequence[int]]:
    if isinstance(payload, pd.DataFrame):
        return [(len(payload),)] * len(payload.columns)
    tensors = payload.values() if isinstance(payload, dict) else [payload]
    return [tensor.shape for tensor in tensors if isinstance(tensor, np.ndarray)]
