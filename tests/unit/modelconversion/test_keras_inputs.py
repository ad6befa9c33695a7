"""Samples for Keras models in the form that each model accepts."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from modelconversion.programs.keras.inputs import arranged

ZETA, ALPHA = np.array([2.0]), np.array([5.0])
SAMPLES = {"zeta": ZETA, "alpha": ALPHA}


class Symbol:
    """A tensor of Keras, which refuses a conversion to bool."""

    def __bool__(self) -> bool:
        raise TypeError("a symbol is neither")


def model(built: Any, **more: Any) -> SimpleNamespace:
    """A functional model whose layers, in the order of their names, are alpha and zeta."""
    return SimpleNamespace(inputs=[SimpleNamespace(name="alpha"), SimpleNamespace(name="zeta")], **more | built)


@pytest.mark.parametrize("attribute", ["_inputs_struct", "_nested_inputs"], ids=["Keras 3", "Keras 2"])
def test_a_model_with_a_dictionary_of_inputs_gets_a_dictionary_by_its_keys(attribute: str) -> None:
    assert arranged(model({attribute: {"zeta": 1, "alpha": 2}}), SAMPLES) == {"zeta": ZETA, "alpha": ALPHA}


def test_a_model_with_a_list_of_inputs_gets_its_tensors_in_order() -> None:
    assert arranged(model({"_inputs_struct": [1, 2]}), SAMPLES) == [ALPHA, ZETA]


def test_a_model_with_one_input_gets_the_bare_tensor() -> None:
    one = SimpleNamespace(inputs=[SimpleNamespace(name="x")], _inputs_struct=Symbol())
    assert arranged(one, {"input": ZETA}) is ZETA
