"""MLflow models under MLServer."""

from pathlib import Path

import yaml
from mlflow.exceptions import MlflowException
from mlserver.codecs import NumpyRequestCodec
from mlserver_mlflow import MLflowRuntime

from kleverserve.pickles import remedy

from .described import Described


class MLflow(Described, MLflowRuntime):
    """MLServer's runtime; the metadata's outputs have the names that are answered.

    A model saved without a signature takes one tensor, unless a request says otherwise by its `content_type`.
    """

    refusals = (ValueError, TypeError, KeyError, MlflowException)

    async def load(self) -> bool:
        """See `Described.load`."""
        loaded = await super().load()
        if not self.settings.parameters.content_type:
            # Else MLServer hands the model the request itself.
            self.settings.parameters.content_type = NumpyRequestCodec.ContentType
        return loaded

    def remedy(self) -> str:
        """With the version of scikit-learn that the model says it was saved by."""
        said = yaml.safe_load((Path(self.settings.parameters.uri) / "MLmodel").read_text())
        saved_by = said.get("flavors", {}).get("sklearn", {}).get("sklearn_version")
        return remedy(saved_by) if saved_by else ""
