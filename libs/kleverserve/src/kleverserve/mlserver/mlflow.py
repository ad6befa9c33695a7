"""MLflow models under MLServer."""

from mlflow.exceptions import MlflowException
from mlserver_mlflow import MLflowRuntime

from .described import Described


class MLflow(Described, MLflowRuntime):
    """MLServer's runtime; the metadata's outputs have the names that are answered."""

    refusals = (ValueError, TypeError, KeyError, MlflowException)
