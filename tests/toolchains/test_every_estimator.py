"""Every estimator of scikit-learn becomes an ONNX model that predicts the same, or is refused with a sentence."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import modelfiles
from modelconversion.checks.comparison import compare
from modelconversion.errors import ConversionError
from modelconversion.execution import PROGRAMS
from modelconversion.pairs import TREES
from modelconversion.toolchains.store import ToolchainStore
from support.toolchains import toolchain_python

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains

FILE = Path(__file__).parents[1] / "data" / "estimators.json"
"""The results that docs/formats.md describes."""
READERS = Path(modelfiles.__file__).parents[1]
MAKER = Path(__file__).with_name("makers") / "every_estimator.py"
NO_CONVERTER = re.compile(r"Unable to find a shape calculator.*", re.DOTALL)


def test_every_estimator_predicts_the_same_as_onnx_or_is_refused_as_recorded(
    toolchains: ToolchainStore, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    done = subprocess.run(
        [toolchain_python(toolchains, "sklearn"), MAKER, tmp_path],
        env={**os.environ, "PYTHONPATH": f"{PROGRAMS.parent}:{READERS}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    outcomes = {directory.name: outcome(directory) for directory in sorted(tmp_path.iterdir())}
    recorded: dict[str, Any] = {"converted": [name for name, refusal in outcomes.items() if refusal is None]}
    recorded["refused"] = {
        sentence: [name for name, refusal in outcomes.items() if refusal == sentence]
        for sentence in sorted({refusal for refusal in outcomes.values() if refusal is not None})
    }
    if request.config.getoption("--update-golden"):
        FILE.write_text(json.dumps(recorded, indent=1) + "\n")
    assert recorded == json.loads(FILE.read_text())


def outcome(directory: Path) -> str | None:
    """Return the reason of the refusal, or None."""
    refused = directory / "refused.txt"
    if refused.is_file():
        return NO_CONVERTER.sub("it has no converter", refused.read_text().partition(". You may raise")[0])
    try:
        compare(outputs(directory / "source.npz"), outputs(directory / "result.npz"), TREES)
    except ConversionError:
        return "the converted model differs from the source"
    return None


def outputs(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}
