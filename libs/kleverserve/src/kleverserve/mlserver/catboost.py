"""CatBoost models under MLServer."""

from kleverserve.adapters.catboost import load

from .adapted import Adapted


class CatBoost(Adapted):
    """Models that CatBoost saved."""

    loader = staticmethod(load)
