"""scikit-learn models in MLServer."""

from kleverserve.adapters.sklearn import load

from .adapted import Adapted


class SKLearn(Adapted):
    """Estimators and pipelines from joblib or pickle files."""

    loader = staticmethod(load)
