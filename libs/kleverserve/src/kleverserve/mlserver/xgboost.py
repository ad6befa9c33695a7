"""XGBoost models in MLServer."""

from kleverserve.adapters.xgboost import load

from .adapted import Adapted


class XGBoost(Adapted):
    """Boosters; `predict` is the result of `Booster.predict`, also for a classifier."""

    loader = staticmethod(load)
