"""kleverserve, Triton and MLServer with the same model: requests/s and latency, in turns in the same minutes.

`uv run task bench:runtimes`. All three run the same versions of the engines: kleverserve is run by the Python of the
toolchain `triton`, and MLServer by its own. ONNX under MLServer is a custom runtime (`mlserver_onnx.py`).
"""

import asyncio
import json
import os
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import report, wrk
from bench.report import Figure
from kleverserve.app import ADAPTERS
from kleverserve.readiness import is_ready
from support import onnx_models
from support.processes import ServerProcess, free_port
from support.serving_runtimes import HOST, MODEL, Runtime, run_program, toolchain_python

ROUNDS = 5
PREDICT = "predict"
PEER, GOAL = "MLServer", 2
SECONDS = 3
CONNECTIONS = (1, 16)
ROW = [5.1, 3.5, 1.4, 0.2]


@dataclass(frozen=True)
class Contender:
    """A server, and the request for it."""

    name: str
    url: str
    body: dict[str, Any]


def main() -> None:
    """Measure and report."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="klever-bench-") as text:
        work = Path(text)
        pythons = {name: toolchain_python(name) for name in ("triton", "mlserver")}
        for model_format, directory in make_models(pythons["mlserver"], work).items():
            with ExitStack() as stack:
                contenders = [stack.enter_context(each) for each in servers(pythons, model_format, directory, work)]
                for connections in CONNECTIONS:
                    figures += asyncio.run(compare(contenders, model_format, connections, work))
    report.write("runtimes", "uv run task bench:runtimes", figures)


def make_models(python: Path, work: Path) -> dict[str, Path]:
    """An iris classifier in each format with an adapter."""
    run_program(python, "mlserver_models", work / "made")
    onnx = onnx_models.model_directory(onnx_models.iris_classifier(zip_map=False), work / "made" / "onnx")
    models = {"ONNX": onnx, "SKLearn": work / "made" / "sklearn", "XGBoost": work / "made" / "xgboost"}
    for model_format in models.keys() - ADAPTERS.keys():
        print(f"{model_format}: kleverserve has no adapter for it, left out")
    return {model_format: directory for model_format, directory in models.items() if model_format in ADAPTERS}


def servers(pythons: dict[str, Path], model_format: str, directory: Path, work: Path) -> list[Any]:
    """The context managers of each contender."""
    ours = Runtime("kleverserve", pythons["triton"], logs=work, has_grpc=False)
    triton = Runtime("kleverserve.triton", pythons["triton"], logs=work)
    mlserver = Runtime("kleverserve.mlserver", pythons["mlserver"], logs=work)
    by_mlserver = custom_onnx(mlserver, directory) if model_format == "ONNX" else None
    return [
        launched("kleverserve", ours, model_format, directory),
        launched("Triton", triton, model_format, directory),
        by_mlserver or launched("MLServer", mlserver, model_format, directory),
    ]


@contextmanager
def launched(name: str, runtime: Runtime, model_format: str, directory: Path) -> Iterator[Contender]:
    """A server as the deployer starts it; requests use the input in its metadata."""
    with runtime.serving(directory, model_format) as served:
        with urllib.request.urlopen(served.url) as answer:  # noqa: S310  # our own server
            metadata = json.load(answer)
        [expected] = metadata["inputs"]
        wanted = [PREDICT] if any(each["name"] == PREDICT for each in metadata["outputs"]) else []
        yield Contender(name, f"{served.url}/infer", request(expected["name"], expected["datatype"], wanted))


@contextmanager
def custom_onnx(runtime: Runtime, directory: Path) -> Iterator[Contender]:
    """MLServer started by its own command, with a custom runtime."""
    port, grpc_port = free_port(), free_port()
    folder = directory / "mlserver"
    folder.mkdir()
    addresses = {"host": HOST, "http_port": port, "grpc_port": grpc_port}
    settings = {"debug": False, "parallel_workers": 0, "metrics_endpoint": None, **addresses}
    parameters = {"uri": str(directory / "model" / "model.onnx"), "version": "v1"}
    model = {"name": MODEL, "implementation": "mlserver_onnx.OnnxRuntime", "parameters": parameters}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    server = ServerProcess(
        [str(runtime.python.with_name("mlserver")), "start", str(folder)],
        log=runtime.logs / f"{port}.log",
        is_ready=lambda: is_ready(HOST, port, MODEL),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"},
    )
    server.start(within=60)
    try:
        yield Contender("MLServer", f"http://{HOST}:{port}/v2/models/{MODEL}/infer", request("X", "FP32"))
    finally:
        server.stop()


def request(name: str, datatype: str, wanted: Sequence[str] = ()) -> dict[str, Any]:
    """A request for one row and all outputs, unless some are given: by default MLServer computes fewer."""
    outputs = {"outputs": [{"name": each} for each in wanted]} if wanted else {}
    return {"inputs": [{"name": name, "datatype": datatype, "shape": [1, len(ROW)], "data": ROW}], **outputs}


async def compare(contenders: list[Contender], model_format: str, connections: int, work: Path) -> list[Figure]:
    """Measure each contender's figures, and its rate over the peer's, round by round."""
    loads: dict[str, list[wrk.Load]] = {each.name: [] for each in contenders}
    for number in range(ROUNDS):
        turns = contenders if number % 2 == 0 else contenders[::-1]
        for each in turns:
            loads[each.name].append(await wrk.load(each.url, each.body, work, connections=connections, seconds=SECONDS))
    peer = loads[PEER]
    return [_figure(name, taken, peer, f"{model_format}, {connections} at once") for name, taken in loads.items()]


def _figure(name: str, loads: list[wrk.Load], peer: list[wrk.Load], what: str) -> Figure:
    rates = [load.rate for load in loads]
    ratio = median(load.rate / other.rate for load, other in zip(loads, peer, strict=True))
    latency = f"p50 {median(load.p50_ms for load in loads):.2f} ms, p99 {median(load.p99_ms for load in loads):.2f} ms"
    rate = f"{median(rates):.0f} requests/s ({min(rates):.0f}-{max(rates):.0f})"
    if name == PEER:
        return Figure(f"{what}: {name}", f"{rate}, {latency}")
    return Figure(f"{what}: {name}", f"{rate}, {latency}; {ratio:.2f}x {PEER}", f"≥ {GOAL} x", ratio >= GOAL)


if __name__ == "__main__":
    main()
