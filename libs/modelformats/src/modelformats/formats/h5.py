"""Keras models in HDF5, versions 1 to 3: the `model_config` attribute, and the weights by their headers."""

import json
from pathlib import Path

from kleverproto.signatures import Signature
from modelfiles.selection import Rule
from modelformats.errors import InvalidModelError
from modelformats.format import head, model_file, reading
from modelformats.hdf5 import MAGIC, Hdf5
from modelformats.weights import Weight, counted, element_count, newer_types

from .keras_config import read_config

CONFIG, WEIGHTS = "model_config", "/model_weights/"
OPTIMIZER, RANDOM = "/optimizer", "/seed_generator/"


class H5:
    """See `modelformats.format.Format`."""

    name = "H5"

    def detect(self, directory: Path) -> bool:
        """Detect a *.h5 or *.hdf5 file, or one HDF5 file that contains a Keras model."""
        if RULE.named(directory):
            return True
        alike = RULE.alike(directory)
        return len(alike) == 1 and _holds_model(alike[0])

    def validate(self, directory: Path) -> None:
        """Check for one HDF5 file."""
        model_file(RULE, directory)

    def extract(self, directory: Path) -> Signature:
        """Return inputs, outputs and layers from the configuration; weights are counted by the shapes of data sets."""
        path = model_file(RULE, directory)
        with reading(path, "HDF5 file of Keras"):
            return _signature(path)


def _holds_model(path: Path) -> bool:
    try:
        with reading(path, "HDF5 file"), path.open("rb") as file:
            return Hdf5(file).text(CONFIG) is not None
    except InvalidModelError:
        return False


def _signature(path: Path) -> Signature:
    with path.open("rb") as stream:
        file = Hdf5(stream)
        config = file.text(CONFIG)
        if config is None:
            raise InvalidModelError(
                f"{path.name} has weights but no {CONFIG}: save the whole model with model.save(), not its weights"
            )
        model = read_config(json.loads(config))
        stored = weights(file, WEIGHTS)
        return Signature(
            inputs=model.inputs,
            outputs=model.outputs,
            operators=model.operators,
            parameters=counted(stored),
            framework="Keras",
            framework_version=file.text("keras_version"),
            details=model.details | {"backend": file.text("backend")},
            unknown=model.unknown | newer_types(stored),
        )


def weights(file: Hdf5, group: str) -> list[Weight]:
    """Return the numeric data sets of a group, except those of optimizers and random generators. Raises ValueError."""
    data_sets = [
        item for item in file.data_sets() if item.path.startswith(group) and not item.path.startswith(OPTIMIZER)
    ]
    kept = (item for item in data_sets if item.dtype and RANDOM not in item.path)
    return [Weight(item.dtype, item.shape, item.size * element_count(item.shape)) for item in kept]


def _looks_like(path: Path) -> bool:
    return head(path, len(MAGIC)) == MAGIC


RULE = Rule("H5", ("*.h5", "*.hdf5"), _looks_like)
H5_FORMAT = H5()
