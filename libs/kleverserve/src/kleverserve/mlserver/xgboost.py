"""XGBoost models under MLServer."""

from mlserver.types import MetadataTensor
from mlserver_xgboost import XGBoostModel
from mlserver_xgboost.xgboost import VALID_OUTPUTS
from xgboost import XGBClassifier  # type: ignore[import-not-found]  # only in its toolchain

from .described import Described


class XGBoost(Described, XGBoostModel):
    """MLServer's runtime with metadata; `predict` is answered unless other outputs are asked for."""

    def known_inputs(self) -> list[MetadataTensor]:
        """One table of as many columns as the model has features."""
        columns = self._model.get_booster().num_features()
        return [MetadataTensor(name="input-0", datatype="FP32", shape=[-1, columns])]

    def known_outputs(self) -> list[str]:
        """Probabilities only for what was saved as a classifier."""
        return list(VALID_OUTPUTS if isinstance(self._model, XGBClassifier) else VALID_OUTPUTS[:1])
