"""The author's declarations compared with the files."""

import pytest

from kleverproto.signatures import Signature, Tensor
from ormb.agreement import completed, contradictions

FOUND = Signature(
    inputs=(Tensor(name="x", dtype="float32", shape=("N", 4)),), outputs=(Tensor(name="y", dtype="int64", shape=(-1,)),)
)


def declared(
    name: str = "x", dtype: str | None = "float32", shape: tuple[int | str, ...] | None = (-1, 4)
) -> Signature:
    """A signature with one input."""
    return Signature(inputs=(Tensor(name=name, dtype=dtype, shape=shape),))


@pytest.mark.parametrize(
    "declaration",
    [
        declared(),
        declared(dtype="float"),
        declared(dtype="DT_FLOAT"),
        declared(dtype="TYPE_FP32"),
        declared(dtype="whatever"),
        declared(dtype=None),
        declared(shape=None),
        declared(shape=(1, 4)),
        declared(shape=("batch", -1)),
        Signature(),
        None,
    ],
)
def test_compatible_signatures_are_no_contradiction(declaration: Signature | None) -> None:
    assert contradictions(declaration, FOUND) == ()


@pytest.mark.parametrize(
    ("declaration", "warning"),
    [
        (declared(dtype="double"), "ormbfile.yaml declares the input 'x' as double; in the model it is float32"),
        (
            declared(shape=(-1, 5)),
            "ormbfile.yaml declares the input 'x' with the shape [-1, 5]; in the model it is [N, 4]",
        ),
        (
            declared(shape=(4,)),
            "ormbfile.yaml declares the input 'x' with the shape [4]; in the model it is [N, 4]",
        ),
    ],
)
def test_another_type_or_shape_is_reported(declaration: Signature, warning: str) -> None:
    assert contradictions(declaration, FOUND) == (warning,)


def test_other_names_are_reported_from_both_sides() -> None:
    assert contradictions(declared("image"), FOUND) == (
        "ormbfile.yaml declares the input 'image', but the model has 'x'",
        "the model has the input 'x', which ormbfile.yaml does not declare",
    )


def test_properties_that_the_file_does_not_show_are_accepted() -> None:
    assert contradictions(declared(), Signature()) == ()


def test_properties_that_the_files_leave_open_are_taken_from_the_author() -> None:
    declaration = Signature(
        inputs=(Tensor(name="x", dtype="double", shape=(9,)), Tensor(name="z", dtype="float", shape=(2,))),
        outputs=(Tensor(name="y", dtype="FP32", shape=(3,)),),
    )
    open_ = Signature(inputs=(Tensor(name="x", dtype="float32"), Tensor(name="z"), Tensor(name="other")))
    assert completed(declaration, open_) == Signature(
        inputs=(
            Tensor(name="x", dtype="float32", shape=(9,)),
            Tensor(name="z", dtype="float32", shape=(2,)),
            Tensor(name="other"),
        ),
        outputs=(Tensor(name="y", dtype="float32", shape=(3,)),),
    )
    assert completed(None, open_) == open_
