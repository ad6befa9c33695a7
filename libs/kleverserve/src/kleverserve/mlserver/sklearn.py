"""scikit-learn models under MLServer."""

from collections.abc import Iterator
from pathlib import Path

from mlserver.types import InferenceRequest, MetadataTensor, Parameters, RequestInput
from mlserver_sklearn import SKLearnModel
from mlserver_sklearn.sklearn import VALID_OUTPUTS

from kleverserve.adapters.sklearn_inputs import layout_of, trial_inputs
from kleverserve.pickles import remedy, sklearn_version
from kleverserve.tensors import Datatype

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

    def samples(self) -> Iterator[InferenceRequest]:
        """As for every model; and columns, with categories that it knows, for one that was fitted on named columns."""
        yield from super().samples()
        if hasattr(self._model, "feature_names_in_"):
            yield InferenceRequest(parameters=Parameters(content_type="pd"), inputs=_columns(self._model))

    def remedy(self) -> str:
        """With the version of scikit-learn that wrote the file."""
        return remedy(sklearn_version(Path(self.settings.parameters.uri)))


def _columns(estimator: object) -> list[RequestInput]:
    layout = layout_of(estimator, ())
    return [
        RequestInput(
            name=spec.name,
            datatype=spec.datatype,
            shape=[len(values), 1],
            data=values.tolist(),
            parameters=Parameters(content_type="str") if spec.datatype is Datatype.BYTES else None,
        )
        for spec, values in zip(layout.specs, trial_inputs(layout, estimator, 0).values(), strict=True)
    ]
