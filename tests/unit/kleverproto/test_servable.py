"""The versions that a project allows to be loaded, and those that no runtime can serve."""

from typing import Any

import pytest

from kleverproto.codes import INVALID_MODEL
from kleverproto.documents import Problem
from kleverproto.models import ExtractionPhase, ModelDocument
from kleverproto.projects import OnInvalid, OnUnsafe, ProjectPolicy
from kleverproto.servable import missing_knowledge, refusal, unconvertible, unservable
from kleverproto.signatures import NO_PLAIN_TENSOR, NO_TENSOR, UNDECLARED_ELEMENTS, Signature, Tensor
from modelformats.carrying import CARRIED
from modelformats.weights import BITS, unknown_elements
from support.gateway import digest, version_document

STRICT, LENIENT = ProjectPolicy(), ProjectPolicy(scan=OnUnsafe.WARN, invalid=OnInvalid.WARN)


def version(**status: Any) -> ModelDocument:
    document = version_document(number=7, history=(6, 7))
    return document.model_copy(update={"status": document.status.model_copy(update=status)})


def failed(code: str = INVALID_MODEL) -> ModelDocument:
    problem = Problem(code=code, message="x.bin is missing")
    return version(extraction=ExtractionPhase.FAILED, problem=problem)


def test_a_parsed_and_clean_version_is_loaded() -> None:
    assert refusal(version(), None, STRICT) is None
    assert missing_knowledge(version(), STRICT) is None
    unsupported = version(extraction=ExtractionPhase.UNSUPPORTED)
    assert (refusal(unsupported, None, STRICT), missing_knowledge(unsupported, STRICT)) == (None, None)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (INVALID_MODEL, "put that right and push it again"),
        ("timed_out", "try it again with `klever jobs create library/iris:v1`"),
    ],
)
def test_an_unparsed_version_is_refused_with_the_reason_and_the_remedy(code: str, remedy: str) -> None:
    problem_code, message = refusal(failed(code), digest(7), STRICT) or ("", "")
    assert (problem_code, "x.bin is missing" in message, remedy in message) == (INVALID_MODEL, True, True)
    assert "`klever projects policy set library --invalid warn`" in message
    assert refusal(failed(), None, LENIENT) is None


def test_an_earlier_digest_is_judged_by_its_own_parsing() -> None:
    assert refusal(failed(), digest(6), STRICT) is None
    earlier, present = version().status.history
    known = version(history=(earlier.model_copy(update={"extraction": ExtractionPhase.FAILED}), present))
    assert (refusal(known, digest(6), STRICT) or ("", ""))[0] == INVALID_MODEL
    assert refusal(known, digest(7), STRICT) is None


def test_a_dangerous_model_is_refused_whether_it_was_parsed_or_not() -> None:
    scan = version().status.scan
    assert scan is not None
    unscanned = version(scan=None)
    refused = refusal(unscanned, None, STRICT)
    assert refused is not None
    assert refused.code == "model_not_scanned"
    assert refusal(unscanned, None, LENIENT) is None


def test_a_result_that_the_policy_does_not_require_is_not_waited_for() -> None:
    pending = version(extraction=ExtractionPhase.PENDING)
    assert missing_knowledge(pending, STRICT) == "parsed"
    assert missing_knowledge(pending.model_copy(update={"status": version(scan=None).status}), STRICT) == "scanned"
    assert missing_knowledge(pending, LENIENT) is None


def signed(*inputs: str | None, outputs: tuple[str | None, ...] = ("float32",)) -> ModelDocument:
    names = (Tensor(name=f"x{at}", dtype=dtype) for at, dtype in enumerate(inputs))
    given = (Tensor(name=f"y{at}", dtype=dtype) for at, dtype in enumerate(outputs))
    return version(signature=Signature(inputs=tuple(names), outputs=tuple(given)))


@pytest.mark.parametrize(
    "dtype",
    sorted(BITS.keys() - CARRIED),
)
def test_an_input_of_an_unsupported_type_is_named(dtype: str) -> None:
    code, message = unservable(signed("float32", dtype), None) or ("", "")
    assert code == "unservable_model"
    assert f"its input 'x1' is of type {dtype}, which the inference protocol does not support: export" in message


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "int8", "uint64", "bool", "str", "datetime64", None]
)
def test_supported_and_unknown_types_are_served(dtype: str | None) -> None:
    assert unservable(signed(dtype, outputs=(dtype,)), None) is None


def test_unsupported_outputs_are_omitted_while_one_is_supported() -> None:
    assert unservable(signed("float32", outputs=("bfloat16", "float32")), None) is None
    assert (
        "its output 'y0' is of type bfloat16" in (unservable(signed(outputs=("bfloat16", "int2")), None) or ("", ""))[1]
    )


def test_a_savedmodel_without_a_signature_is_neither_served_nor_converted() -> None:
    none = version(signature=Signature(details={"signature": None}))
    for refused in (unservable(none, None), unconvertible(none)):
        assert refused is not None
        assert 'signatures={"serving_default": model.call}' in refused[1]
    some = version(signature=Signature(details={"signature": "embed"}))
    assert (unservable(some, None), unconvertible(some)) == (None, None)


def test_bytes_with_an_unknown_signature_have_no_refusal() -> None:
    assert unservable(signed("bfloat16"), digest(6)) is None
    assert unservable(version(signature=None), None) is None


def untyped(reason: str, *, inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = ()) -> ModelDocument:
    """A version whose tensors have no type for a reason, with an output that has one."""
    made = Signature(
        inputs=tuple(Tensor(name=name) for name in inputs),
        outputs=tuple(Tensor(name=name) for name in outputs),
        unknown=dict.fromkeys((*inputs, *outputs), reason),
    )
    return version(signature=made)


@pytest.mark.parametrize(
    "reason", [unknown_elements(99), UNDECLARED_ELEMENTS, f"{NO_TENSOR}resource", f"{NO_PLAIN_TENSOR}ragged one"]
)
def test_an_input_of_unknown_type_is_named_whatever_the_format(reason: str) -> None:
    code, message = unservable(untyped(reason, inputs=("x",), outputs=("y",)), None) or ("", "")
    assert code == "unservable_model"
    assert f"the type of its input 'x' is not known ({reason}): export" in message


def test_outputs_of_unknown_types_are_refused_if_there_are_no_others() -> None:
    refused = unservable(untyped(unknown_elements(99), outputs=("y", "z")), None) or ("", "")
    assert "the type of its output 'y' is not known (its elements are of unknown type 99" in refused[1]
    some = untyped(unknown_elements(99), outputs=("y", "z"))
    assert some.status.signature is not None
    answered = some.status.signature.model_copy(
        update={"outputs": (*some.status.signature.outputs, Tensor(name="a", dtype="float32"))}
    )
    assert unservable(version(signature=answered), None) is None


def test_an_output_that_is_not_a_tensor_is_left_to_the_server() -> None:
    assert unservable(untyped(f"{NO_TENSOR}sequence, map or optional", outputs=("y",)), None) is None


@pytest.mark.parametrize("name", ["inputs", "outputs", "parameters"])
def test_a_tensor_named_like_a_field_does_not_get_the_reason_of_the_field(name: str) -> None:
    reason = "TorchScript has names, and seldom types and shapes: declare them in ormbfile.yaml"
    assert unservable(untyped(reason, inputs=(name,), outputs=(name,)), None) is None
    weights = "there are weights of unknown type 99: newer than this version of Klever"
    assert unservable(untyped(weights, inputs=("parameters",)), None) is None
