"""A model answers a sample before its server is ready. Some models are refused, others refuse generated samples."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from kleverserve.adapters.runs import running
from kleverserve.breakage import is_broken
from kleverserve.errors import ExecutionError, InvalidRequestError, ModelLoadError
from kleverserve.model import TensorSpec
from kleverserve.pickles import remedy, sklearn_version
from kleverserve.samples import generated_samples
from kleverserve.tensors import Array, Datatype
from kleverserve.trial import try_model
from support.echo_model import EchoModel

Check = Callable[[Array], None]


class Checked(EchoModel):
    """Answers inputs that pass a check."""

    def __init__(self, check: Check, spec: TensorSpec) -> None:
        super().__init__([spec])
        self._check = check

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        with running():
            self._check(inputs["x"])
        return super().predict(inputs, outputs)


def picture(datatype: Datatype = Datatype.FP32) -> TensorSpec:
    return TensorSpec("x", datatype, (-1, 3, -1, -1))


def only(wanted: bool, message: str = "not this") -> None:  # noqa: FBT001
    if not wanted:
        raise ValueError(message)


@pytest.mark.parametrize(
    ("check", "spec"),
    [
        (lambda _: None, picture()),
        (lambda x: only(x.shape[2] >= 32), picture()),
        (lambda x: only(x.shape[2] % 224 == 0), picture()),
        (lambda x: only(x.size % 2 == 0), TensorSpec("x", Datatype.FP32, (-1,))),
        (lambda x: only(bool((x > 0).all())), picture()),
        (lambda x: only(x.shape == ()), TensorSpec("x", Datatype.BOOL, None)),
        (lambda x: only(x.ndim == 4), TensorSpec("x", Datatype.FP32, None)),
        (lambda x: only(bool((x < 2).all())), TensorSpec("x", Datatype.INT64, (-1, -1))),
        (lambda x: only("a" in x), TensorSpec("x", Datatype.BYTES, (-1,))),
    ],
)
def test_several_small_samples_are_tried(check: Check, spec: TensorSpec) -> None:
    assert try_model(Checked(check, spec)).sample is not None


def test_the_models_own_example_is_tried_first() -> None:
    model = Checked(lambda x: only("cook" in x), TensorSpec("x", Datatype.BYTES, (-1,)))
    assert try_model(model).sample is None
    known = {"x": np.array(["cook"], object)}
    model.example = known
    assert try_model(model).sample is known


@pytest.mark.parametrize(
    "check",
    [
        lambda _: only(wanted=False),
        lambda x: x.lower(),
        lambda x: np.reshape(x, (11, -1)),
        lambda _: {"a": 1}["id"],
    ],
)
def test_a_model_that_refuses_all_samples_is_served_with_a_warning(
    check: Check, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert try_model(Checked(check, picture())).sample is None
    assert "the model was not tested: it accepts no generated sample" in caplog.text


class Estimator:
    """An estimator loaded from a file of another version."""


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (lambda _: Estimator()._fill_dtype, "'Estimator' object has no attribute '_fill_dtype'"),  # type: ignore[attr-defined]
        (lambda _: __import__("no_such_module"), "No module named 'no_such_module'"),
        (lambda x: helper_that_is_missing(x), "name 'helper_that_is_missing' is not defined"),  # type: ignore[name-defined]  # noqa: F821, PLW0108
    ],
)
def test_a_model_that_fails_on_any_inputs_is_not_served(check: Check, reason: str) -> None:
    with pytest.raises(
        ModelLoadError, match=r"^the model was loaded but fails when it is run: the model failed: "
    ) as e:
        try_model(Checked(check, picture()))
    assert reason in str(e.value)


def test_an_engine_that_lacks_an_operator_is_recognised_by_its_message() -> None:
    assert is_broken(ExecutionError("Could not run: NonMaxSuppression(99) is not implemented"))
    assert is_broken(RuntimeError("Encountered unresolved custom op: Fancy."))
    assert is_broken(RuntimeError("Select TensorFlow op(s), included in the given model, is(are) not supported"))
    assert not is_broken(InvalidRequestError("expected 3 dimensions"))


def test_a_model_that_never_answers_is_not_served_with_the_reason() -> None:
    never = threading.Event()
    with pytest.raises(ModelLoadError, match=r"did not answer a small sample within 0\.05 s"):
        try_model(Checked(lambda _: only(never.wait(30)), picture()), seconds=0.05)
    never.set()


def test_a_sample_fits_into_a_request() -> None:
    huge = TensorSpec("x", Datatype.FP32, (4096, 4096, 2))
    assert list(generated_samples([huge])) == []
    assert try_model(Checked(lambda _: only(wanted=False), huge)).sample is None


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (AttributeError("'SimpleImputer' object has no attribute '_fill_dtype'"), ExecutionError),
        (RuntimeError("shape mismatch"), InvalidRequestError),
        (RuntimeError("out of memory"), ExecutionError),
        (ImportError("cannot import name 'dtype'"), ExecutionError),
    ],
)
def test_a_broken_model_is_never_a_client_error(error: Exception, raised: type[Exception]) -> None:
    with pytest.raises(raised), running():
        raise error


class Old:
    """A stand-in for an estimator, whose state names the version that saved it."""

    def __getstate__(self) -> dict[str, Any]:
        return {"values": np.arange(5), "_sklearn_version": "1.3.2"}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)])
def test_the_version_that_saved_a_pickle_is_read_from_its_bytes(tmp_path: Path, protocol: int, compress: Any) -> None:
    joblib.dump({"a": [Old(), Old()]}, tmp_path / "m.joblib", compress=compress, protocol=protocol)
    assert sklearn_version(tmp_path / "m.joblib") == "1.3.2"


def test_advice_names_both_versions_if_they_are_known(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"x no pickle")
    assert sklearn_version(tmp_path / "m.pkl") is None
    assert remedy("1.3.2").startswith("it was saved by scikit-learn 1.3.2, and 1.9.1 is installed here: ")
    assert remedy(None) == "train and save it again with scikit-learn 1.9.1"
