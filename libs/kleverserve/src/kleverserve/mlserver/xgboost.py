"""XGBoost models under MLServer."""

from kleverserve.adapters.xgboost import load

from .adapted import Adapted


class XGBoost(Adapted):
    """Boosters; `predict` is what `Booster.predict` gives, of a classifier too."""

    loader = staticmethod(load)
