"""scikit-learn estimators in joblib or pickle files, read without unpickling (see `modelformats.inert_pickle`)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelformats.format import files_matching, head, reading, single_file
from modelformats.inert_pickle import Inert, class_name, dtype_string, read_pickle

PATTERNS = ("*.joblib", "*.pkl")
SNIFF = 64 * 1024
MAX_STEPS = 1000
NO_TYPES = "scikit-learn takes any numbers; the file does not say which"


class SKLearn:
    """See `modelformats.format.Format`."""

    name = "SKLearn"

    def detect(self, directory: Path) -> bool:
        """A *.joblib file, or one file that names sklearn near its start."""
        if (directory / "MLmodel").exists():
            return False  # MLflow packs such files with metadata of its own
        if files_matching(directory, "*.joblib"):
            return True
        return len([path for path in files_matching(directory, "*") if b"sklearn" in head(path, SNIFF)]) == 1

    def validate(self, directory: Path) -> None:
        """One *.joblib or *.pkl file."""
        single_file(directory, *PATTERNS)

    def extract(self, directory: Path) -> Signature:
        """The estimator's class chain and what fitting left in its attributes."""
        path = single_file(directory, *PATTERNS)
        with reading(path, "joblib or pickle file"):
            return _signature(read_pickle(path))


def _signature(root: Any) -> Signature:
    steps = list(_estimators(root))
    features = _first_attribute(steps, "n_features_in_") or _columns(_first_attribute(steps, "coef_"))
    last = steps[-1] if steps else None
    classes = _first_attribute(list(reversed(steps)), "classes_")
    unknown = {"inputs": NO_TYPES, "parameters": "estimators keep their numbers in attributes of their own"}
    if not steps:
        unknown |= dict.fromkeys(("inputs", "outputs", "operators"), "the file holds no scikit-learn estimator")
    elif features is None:
        unknown["inputs"] = "the estimator is not fitted, or does not say how many features it takes"
    if classes is None:
        unknown["outputs"] = "the estimator is no classifier; what it predicts is not in the file"
    return Signature(
        inputs=(Tensor(name="X", shape=(-1, features)),) if features else (),
        outputs=(Tensor(name="y", dtype=_label_dtype(classes), shape=(-1,)),) if last is not None else (),
        operators=dict(sorted(Counter(_bare(step) for step in steps).items())),
        framework="scikit-learn",
        framework_version=_text(_first_attribute(steps, "_sklearn_version")),
        details={"classes": _values(classes), "steps": [class_name(step) for step in steps]},
        unknown=unknown,
    )


def _estimators(value: Any, depth: int = 0) -> Iterator[Inert]:
    """The estimator and those inside it, in the order of a pipeline's steps."""
    if depth > MAX_STEPS or not (class_name(value) or "").startswith("sklearn."):
        return
    yield value
    steps = value.attribute("steps")
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, tuple) and len(step) == 2:  # noqa: PLR2004 - name and estimator
            yield from _estimators(step[1], depth + 1)


def _first_attribute(steps: list[Inert], name: str) -> Any:
    return next((found for step in steps if (found := step.attribute(name)) is not None), None)


def _columns(array: Any) -> int | None:
    """The last dimension of a coefficient matrix: the number of features, for models from before n_features_in_."""
    shape = array.attribute("shape") if isinstance(array, Inert) else None
    return int(shape[-1]) if isinstance(shape, tuple) and shape else None


def _label_dtype(classes: Any) -> str | None:
    typestr = dtype_string(_dtype_of(classes))
    if typestr is None:
        return None
    bare = typestr.lstrip("<>|=")
    kinds = {"f": "float", "i": "int", "u": "uint"}
    if bare[:1] in kinds:
        return f"{kinds[bare[0]]}{int(bare[1:]) * 8}"
    return {"b": "bool", "U": "str", "O": "str", "S": "str"}.get(bare[:1])


def _dtype_of(array: Any) -> Any:
    """Joblib keeps the dtype as an attribute, pickle in the third place of the array's state."""
    if not isinstance(array, Inert):
        return None
    if isinstance(array.state, tuple) and len(array.state) == 5:  # noqa: PLR2004 - numpy's __reduce__
        return array.state[2]
    return array.attribute("dtype")


def _values(array: Any) -> list[Any] | None:
    """The labels, where they are few."""
    import numpy as np  # noqa: PLC0415 - only for labels

    typestr = dtype_string(_dtype_of(array))
    if typestr is None or not isinstance(array, Inert):
        return None
    data = array.state[4] if isinstance(array.state, tuple) and len(array.state) == 5 else array.array_bytes  # noqa: PLR2004
    if isinstance(data, bytes) and not typestr.lstrip("<>|=").startswith("O"):
        values: list[Any] = np.frombuffer(data, dtype=typestr).tolist()
        return values
    objects = array.items[0] if array.items else data
    inner = objects.state[4] if isinstance(objects, Inert) and isinstance(objects.state, tuple) else objects
    return [str(value) for value in inner] if isinstance(inner, list) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _bare(step: Inert) -> str:
    return (class_name(step) or "").rpartition(".")[2]


SKLEARN = SKLearn()
