"""scikit-learn estimators in joblib or pickle files, read without unpickling (see `modelformats.inert_pickle`)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kleverproto.signatures import Signature, Tensor
from modelformats.format import files_matching, head, reading, single_file
from modelformats.inert_arrays import InertArray, inert_array
from modelformats.inert_pickle import Inert, class_name, read_pickle
from modelformats.versions import other_version

PATTERNS = ("*.joblib", "*.pkl")
TOOLCHAIN = "sklearn"
"""Where such models are loaded, to be served and converted."""
SNIFF = 64 * 1024
PICKLE_START = b"\x80"
"""How a pickle of protocol 2 or later begins."""
MAX_FEATURES = 2**31
NO_TYPES = "scikit-learn takes any numbers; the file does not say which"


class SKLearn:
    """See `modelformats.format.Format`."""

    name = "SKLearn"

    def detect(self, directory: Path) -> bool:
        """A *.joblib file, or one pickle that names sklearn near its start."""
        if (directory / "MLmodel").exists():
            return False  # MLflow packs such files with metadata of its own
        if files_matching(directory, "*.joblib"):
            return True
        return len([path for path in files_matching(directory, "*") if _looks_like(head(path, SNIFF))]) == 1

    def validate(self, directory: Path) -> None:
        """One *.joblib or *.pkl file."""
        single_file(directory, *PATTERNS)

    def extract(self, directory: Path) -> Signature:
        """The estimator's class chain and what fitting left in its attributes."""
        path = single_file(directory, *PATTERNS)
        with reading(path, "joblib or pickle file"):
            found = signature_of(read_pickle(path))
        warnings = tuple(other_version("scikit-learn", TOOLCHAIN, found.framework_version))
        return found.model_copy(update={"warnings": warnings})


def _looks_like(start: bytes) -> bool:
    return start.startswith(PICKLE_START) and b"sklearn" in start


def signature_of(root: Any) -> Signature:
    """What an inert estimator, or a pipeline of them, tells."""
    steps = list(_estimators(root))
    features = _features(steps)
    last = steps[-1] if steps else None
    classes = inert_array(_first_attribute(list(reversed(steps)), "classes_"))
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
        details={"classes": classes.values() if classes else None, "steps": [class_name(step) for step in steps]},
        unknown=unknown,
    )


def _estimators(root: Any) -> Iterator[Inert]:
    """The estimator and those inside it, in the order of a pipeline's steps, each once however often it is shared."""
    waiting, seen = [root], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value) in seen or not (class_name(value) or "").startswith("sklearn."):
            continue
        seen.add(id(value))
        yield value
        waiting.extend(reversed(_inner(value.attribute("steps"))))


def _inner(steps: Any) -> list[Any]:
    """A pipeline's steps are pairs of name and estimator."""
    if not isinstance(steps, list):
        return []
    return [step[1] for step in steps if isinstance(step, tuple) and len(step) == 2]  # noqa: PLR2004 - see above


def _first_attribute(steps: list[Inert], name: str) -> Any:
    return next((found for step in steps if (found := step.attribute(name)) is not None), None)


def _features(steps: list[Inert]) -> int | None:
    """How many features the model takes; models from before n_features_in_ have it in their coefficients."""
    said: Any = _first_attribute(steps, "n_features_in_")
    if (number := inert_array(said)) is not None:
        said = next(iter(number.values() or ()), None)
    if said is None and (coefficients := inert_array(_first_attribute(steps, "coef_"))) and coefficients.shape:
        said = coefficients.shape[-1]
    return said if isinstance(said, int) and 0 < said < MAX_FEATURES else None


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


def _bare(step: Inert) -> str:
    return (class_name(step) or "").rpartition(".")[2]


SKLEARN = SKLearn()
