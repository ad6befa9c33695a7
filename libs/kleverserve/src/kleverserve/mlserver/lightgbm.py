"""LightGBM models in MLServer."""

from kleverserve.adapters.lightgbm import load

from .adapted import Adapted


class LightGBM(Adapted):
    """Boosters saved by LightGBM."""

    loader = staticmethod(load)
