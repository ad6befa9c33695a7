"""LiteRT and OpenVINO with the same TensorFlow Lite models, in turns: `uv run python tests/bench/tflite_engines.py`."""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.serving_runtimes import SERVER_PATH, toolchain_python

HERE = Path(__file__).parent
ROUNDS = 3
ENGINES = ("LiteRT", "OpenVINO")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="klever-bench-") as text:
        root = Path(text) / "models"
        _run(toolchain_python("tf"), "tflite_models", str(root))
        python = toolchain_python("openvino")
        for directory in sorted(root.iterdir()):
            rounds = [
                [_run(python, "tflite_engine", engine, str(directory)) for engine in ENGINES] for _ in range(ROUNDS)
            ]
            for engine, lines in zip(ENGINES, zip(*rounds, strict=True), strict=True):
                start, rate, memory = (median(map(float, each)) for each in zip(*map(str.split, lines), strict=True))
                print(f"{directory.name}, {engine}: first answer after {start:.2g} s, {rate:.3g}/s, {memory:.0f} MB")


def _run(python: Path, program: str, *arguments: str) -> str:
    command = [str(python), str(HERE / f"{program}.py"), *arguments]
    done = subprocess.run(command, env={"PYTHONPATH": SERVER_PATH}, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
