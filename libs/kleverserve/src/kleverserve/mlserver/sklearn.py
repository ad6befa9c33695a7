"""scikit-learn models under MLServer."""

from pathlib import Path

from mlserver.types import MetadataTensor
from mlserver_sklearn import SKLearnModel
from mlserver_sklearn.sklearn import VALID_OUTPUTS

from kleverserve.pickles import remedy, sklearn_version

from .described import Described


class SKLearn(Described, SKLearnModel):
    """MLServer's runtime with metadata; `predict` is answered unless other outputs are asked for."""

    def known_inputs(self) -> list[MetadataTensor]:
        """One table, if the estimator remembers how many columns it was fitted with."""
        columns = getattr(self._model, "n_features_in_", None)
        return [] if columns is None else [MetadataTensor(name="input-0", datatype="FP64", shape=[-1, columns])]

    def known_outputs(self) -> list[str]:
        """The methods the estimator has."""
        return [name for name in VALID_OUTPUTS if hasattr(self._model, name)]

    def remedy(self) -> str:
        """With the version of scikit-learn that wrote the file."""
        return remedy(sklearn_version(Path(self.settings.parameters.uri)))
