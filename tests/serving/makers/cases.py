"""Writes a request and the framework's own answer beside each model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Given = Mapping[str, tuple[str, Any]]
"""Input name to datatype and values."""


def write(directory: Path, model_format: str, given: Given, answers: Mapping[str, Any], **more: Any) -> None:
    """Describe the model whose files are in `directory`/model.

    Args:
        directory: where ormbfile.yaml and model/ are.
        model_format: the platform's name for it.
        given: the inputs of one request, the first dimension being rows.
        answers: the framework's answers, by output name.
        more: the names of expected output parameters, such as classes.
    """
    inputs = [
        {"name": name, "datatype": datatype, "shape": list(np.shape(values)), "data": plain(np.asarray(values))}
        for name, (datatype, values) in given.items()
    ]
    expected = {name: plain(np.asarray(values)) for name, values in answers.items()}
    case = {"format": model_format, "inputs": inputs, "outputs": expected, "parameters": more}
    (directory / "case.json").write_text(json.dumps(case))


def plain(values: Any) -> Any:
    """Nested lists, with None for NaN."""
    if isinstance(values, np.ndarray):
        return [plain(value) for value in values]
    value = values.item() if hasattr(values, "item") else values
    return None if isinstance(value, float) and np.isnan(value) else value


def place(root: Path, name: str) -> Path:
    """The directory of a model, with an empty model/."""
    directory = root / name
    (directory / "model").mkdir(parents=True)
    return directory
