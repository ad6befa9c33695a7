"""Warnings about tensors that the inference protocol does not support."""

from kleverproto.signatures import Signature, Tensor
from modelformats.carrying import unsupported_tensors
from modelformats.weights import unknown_elements


def test_a_tensor_of_an_unknown_type_is_named_with_its_type() -> None:
    made = Signature(
        inputs=(Tensor(name="x"), Tensor(name="open"), Tensor(name="known", dtype="float32")),
        outputs=(Tensor(name="y"),),
        unknown={"x": unknown_elements(99), "y": unknown_elements("F3"), "open": "the model does not say"},
    )
    newer = "newer than this version of Klever: cast it inside the model to another type"
    assert list(unsupported_tensors(made)) == [
        f"the input 'x' cannot be served, as its elements are of unknown type 99: {newer}",
        f"the output 'y' cannot be served, as its elements are of unknown type F3: {newer}",
    ]


def test_a_tensor_of_a_type_that_the_protocol_lacks_is_named() -> None:
    made = Signature(inputs=(Tensor(name="x", dtype="qint8"), Tensor(name="z", dtype="int8")))
    (warning,) = unsupported_tensors(made)
    assert warning.startswith("the input 'x' is of type qint8, for which the inference protocol has no datatype")
