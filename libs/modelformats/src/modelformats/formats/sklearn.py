"""scikit-learn estimators in joblib or pickle files, read without unpickling (see `modelfiles.inert_pickle`)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelfiles import recognition
from modelfiles.inert_pickle import Inert, class_name, read_pickle
from modelformats.format import files_matching, model_file, reading
from modelformats.inert_arrays import InertArray, inert_array
from modelformats.plain import listed
from modelformats.versions import other_version

from .sklearn_inputs import bare_name, inner_steps, inputs_of
from .sklearn_outputs import SEARCHES, outputs_of, uncallable_warnings

TOOLCHAIN = "sklearn"
"""The toolchain in which such models are loaded for serving and conversion."""
MAX_FEATURES = 2**31
NO_TYPES = "scikit-learn accepts any numbers; the file does not contain their type"


class SKLearn:
    """See `modelformats.format.Format`."""

    name = "SKLearn"

    def detect(self, directory: Path) -> bool:
        """Detect a *.joblib file, or one pickle that names sklearn near its start."""
        if (directory / "MLmodel").exists():
            return False  # MLflow stores such files together with its own metadata
        if files_matching(directory, "*.joblib"):
            return True
        return len(recognition.SKLEARN.alike(directory)) == 1

    def validate(self, directory: Path) -> None:
        """Check for one *.joblib or *.pkl file, or other pickle that names sklearn."""
        model_file(recognition.SKLEARN, directory)

    def extract(self, directory: Path) -> Signature:
        """Return the classes of the estimator and of its steps, and its fitted attributes."""
        path = model_file(recognition.SKLEARN, directory)
        with reading(path, "joblib or pickle file"):
            signature = signature_of(read_pickle(path))
        warnings = other_version("scikit-learn", TOOLCHAIN, signature.framework_version)
        return signature.model_copy(update={"warnings": (*signature.warnings, *warnings)})


def signature_of(root: Any) -> Signature:
    """Return the signature of an inert estimator or pipeline."""
    steps = list(_estimators(root))
    classes = inert_array(_first_attribute(list(reversed(steps)), "classes_"))
    features = _features(root, steps)
    inputs = inputs_of(root, features) if steps else ()
    outputs = outputs_of(root, classes, _label_dtype(classes)) if steps else ()
    return Signature(
        inputs=inputs,
        outputs=outputs,
        operators=dict(sorted(Counter(bare_name(step) for step in steps).items())),
        framework="scikit-learn",
        framework_version=_text(_first_attribute(steps, "_sklearn_version")),
        details={"classes": classes.values() if classes else None, "steps": [class_name(step) for step in steps]},
        unknown=_unknown(steps, inputs, outputs),
        warnings=tuple(uncallable_warnings(root)) if steps else (),
    )


def _unknown(steps: list[Inert], inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[str, str]:
    unknown = {"parameters": "estimators store their numbers in attributes"}
    if not steps:
        return unknown | dict.fromkeys(
            ("inputs", "outputs", "operators"), "the file contains no scikit-learn estimator"
        )
    if not inputs:
        unknown["inputs"] = "the estimator is not fitted, or does not contain its number of features"
    elif any(tensor.dtype is None for tensor in inputs):
        unknown["inputs"] = NO_TYPES
    if not outputs or any(tensor.dtype is None for tensor in outputs):
        unknown["outputs"] = "the estimator is not a classifier; the file does not describe its outputs"
    return unknown


def _estimators(root: Any) -> Iterator[Inert]:
    """Yield the estimator and those inside it, in the order of a pipeline's steps, without repetition."""
    waiting, seen = [root], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value) in seen or not (class_name(value) or "").startswith("sklearn."):
            continue
        seen.add(id(value))
        yield value
        waiting.extend(reversed(inner_steps(value)))
        if bare_name(value) in SEARCHES:
            waiting.append(value.attribute("best_estimator_"))


def _first_attribute(steps: list[Inert], name: str) -> Any:
    return next((value for step in steps if (value := step.attribute(name)) is not None), None)


def _features(root: Any, steps: list[Inert]) -> int | None:
    """Return the number of features; models without n_features_in_ have it in their coefficients."""
    features: Any = _first_attribute(list(_first_parts(root)), "n_features_in_")
    if (number := inert_array(features)) is not None:
        features = next(iter(number.values() or ()), None)
    if features is None and (coefficients := inert_array(_first_attribute(steps, "coef_"))) and coefficients.shape:
        features = coefficients.shape[-1]
    return features if isinstance(features, int) and 0 < features < MAX_FEATURES else None


def _first_parts(root: Any) -> Iterator[Inert]:
    """Yield the estimator, the part of it that processes the table first, the first part of that one, and so on.

    Estimators that only pass their table on, such as unions, votes and stacks, do not know its width.
    """
    seen = set[int]()
    while isinstance(root, Inert) and id(root) not in seen:
        seen.add(id(root))
        yield root
        parts = [
            *inner_steps(root),
            *inner_steps(root, "transformer_list"),
            root.attribute("best_estimator_"),
            *(listed(root.attribute("estimators_"))[:1]),
        ]
        root = next((part for part in parts if isinstance(part, Inert)), None)


def _label_dtype(classes: InertArray | None) -> str | None:
    if classes is None:
        return None
    bare = classes.typestr.lstrip("<>|=")
    kinds = {"f": "float", "i": "int", "u": "uint"}
    if bare[:1] in kinds:
        return f"{kinds[bare[0]]}{int(bare[1:]) * 8}"
    return {"b": "bool", "U": "str", "O": "str", "S": "str"}.get(bare[:1])


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.isprintable() else None


SKLEARN = SKLearn()
