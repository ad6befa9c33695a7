"""LightGBM models under MLServer."""

from kleverserve.adapters.lightgbm import load

from .adapted import Adapted


class LightGBM(Adapted):
    """Boosters that LightGBM saved."""

    loader = staticmethod(load)
