"""One engine with one TensorFlow Lite model: `python tflite_engine.py LiteRT|OpenVINO <directory>`, prints a line.

The line has the seconds until the first answer, runs per second by two threads, and the peak memory in MB.
"""

import resource
import sys
import time

STARTED = time.perf_counter()

from concurrent.futures import ThreadPoolExecutor  # noqa: E402 - what engines import counts
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402

from kleverserve.model import Model  # noqa: E402
from kleverserve.samples import generated_samples  # noqa: E402

SECONDS, THREADS = 3.0, 2


def load(engine: str, directory: Path) -> Model:
    """Load the model into the engine."""
    if engine == "LiteRT":
        by_litert: Model = import_module("kleverserve.adapters.tflite").load(directory, threads=1)
        return by_litert
    openvino = import_module("kleverserve.adapters.openvino_model")
    compiled = openvino.compiled(directory / "model.tflite", directory, threads=1)
    by_openvino: Model = openvino.OpenVinoModel(*compiled, platform="openvino_tflite")
    return by_openvino


def main(engine: str, directory: Path) -> None:
    """Measure and print."""
    model = load(engine, directory)
    sample, outputs = next(generated_samples(model.inputs)), [spec.name for spec in model.outputs]
    model.predict(sample, outputs)
    start = time.perf_counter() - STARTED

    def runs(_: int) -> int:
        count, end = 0, time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            model.predict(sample, outputs)
            count += 1
        return count

    with ThreadPoolExecutor(THREADS) as pool:
        rate = sum(pool.map(runs, range(THREADS))) / SECONDS
    print(f"{start:.3f} {rate:.3g} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
