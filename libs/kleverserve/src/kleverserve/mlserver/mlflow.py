"""MLflow models in MLServer."""

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
"""Name of the only input of a model without a signature, or of an input without a name."""


class MLflow(Described, MLflowRuntime):
    """MLServer's runtime, with the names of the model's signature, and true shapes of columns and results.

    A model saved without a signature has one input tensor, unless a request sets another `content_type`. If the
    framework knows its number of columns, the metadata contain it, and the model is tested with a sample.
    """

    refusals = (ValueError, TypeError, KeyError, MlflowException)

    def encode_response(self, payload: Any, default_codec: Any = None) -> InferenceResponse:
        """See `MLModel.encode_response`; a column is not a matrix of one column, and has its name in the signature."""
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
            # otherwise MLServer passes the request itself to the model
            self.settings.parameters.content_type = NumpyRequestCodec.ContentType
        if not self._signature and (columns := _columns_of(self._model)):
            self.inputs = [MetadataTensor(name=UNNAMED, datatype="FP64", shape=[-1, columns])]
        if self._signature and not self._signature.inputs.is_tensor_spec():
            self.inputs = [tensor.model_copy(update={"shape": [-1]}) for tensor in self.inputs or ()]

    def remedy(self) -> str:
        """Return the advice with the version of scikit-learn that saved the model, if it is known."""
        try:
            document = yaml.safe_load((Path(self.settings.parameters.uri) / "MLmodel").read_text())
        except (yaml.YAMLError, UnicodeDecodeError):
            return ""
        saved_by = document.get("flavors", {}).get("sklearn", {}).get("sklearn_version")
        return remedy(saved_by) if saved_by else ""


def _columns_of(model: PyFuncModel) -> int | None:
    """Return the number of columns of a scikit-learn estimator or a booster; None if it is unknown."""
    try:
        raw = model.get_raw_model()
    except NotImplementedError:  # user-defined code
        return None
    known = getattr(raw, "n_features_in_", None) or getattr(raw, "num_features", None)
    return int(known() if callable(known) else known) if known else None


def _names(outputs: Any) -> list[str]:
    """Return the names as in the catalogue: an output without a name is named by its position, from 1."""
    return [spec.name or f"output-{place}" for place, spec in enumerate(outputs.inputs if outputs else (), 1)]


def _shapes(payload: Any) -> Iterable[Sequence[int]]:
    if isinstance(payload, pd.DataFrame):
        return [(len(payload),)] * len(payload.columns)
    tensors = payload.values() if isinstance(payload, dict) else [payload]
    return [tensor.shape for tensor in tensors if isinstance(tensor, np.ndarray)]
