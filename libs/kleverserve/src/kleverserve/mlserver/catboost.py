"""CatBoost models in MLServer."""

from kleverserve.adapters.catboost import load

from .adapted import Adapted


class CatBoost(Adapted):
    """Models saved by CatBoost."""

    loader = staticmethod(load)
