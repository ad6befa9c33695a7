"""The cost of the sandbox for a model server: startup and requests per second, with and without it, in turn."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import report, wrk
from klever_deployer.adapters.local.launcher import Ports, ProcessLauncher, server_packages, server_path
from klever_deployer.adapters.local.replica_specs import LocalModel, Prepared, ReplicaSpec
from kleverkit.secret_files import SecretFiles
from kleversandbox.policy import Policy
from kleversandbox.starting import starting
from kleversandbox.support import Confinement, find_support
from support.deployer import process_key, variant
from support.processes import free_port
from support.small_models import adder

PAIRS, CONNECTIONS = 21, 16
"""Numbers of servers with and without the sandbox, started in turn. Each is compared with its neighbour."""
BODY = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]}
GOAL = 3.0
HOST = "127.0.0.1"


def policy(directory: Path, port: int) -> Policy:
    """The policy with which the deployer starts the built-in server."""
    path = server_path(directory / "python", server_packages())
    launching = ProcessLauncher(Path(sys.executable), path, SecretFiles(directory), Confinement(find_support()))
    prepared = Prepared(LocalModel(directory / "model", "ONNX"), "kleverserve")
    spec = ReplicaSpec(process_key("v1"), prepared, variant("v1"))
    return launching(spec, Ports(HOST, port), directory / "home").policy


def start(made: Policy, *, confined: bool) -> "subprocess.Popen[bytes]":
    """Start the server, with or without the sandbox."""
    if not confined:
        return subprocess.Popen(made.command, env=made.environment, cwd=made.directory, stdout=subprocess.DEVNULL)
    with starting(made, os.environ) as launcher:
        return subprocess.Popen(
            launcher.command, env=launcher.environment, pass_fds=launcher.descriptors, stdout=subprocess.DEVNULL
        )


@contextmanager
def server(directory: Path, *, confined: bool) -> Iterator[tuple[str, float]]:
    """A server that is ready: its URL, and its startup time in milliseconds."""
    port = free_port()
    url = f"http://{HOST}:{port}/v2/models/iris"
    started = time.perf_counter()
    with start(policy(directory, port), confined=confined) as process:
        while not is_ready(f"{url}/ready"):
            if process.poll() is not None:
                raise RuntimeError("the server does not start")
            time.sleep(0.001)
        yield url, (time.perf_counter() - started) * 1e3
        process.terminate()


def is_ready(url: str) -> bool:
    """Return whether it answers."""
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def measure(directory: Path) -> list[report.Figure]:
    """Alternate, so that both run under the same conditions."""
    starts: dict[bool, list[float]] = {True: [], False: []}
    rates: dict[bool, list[float]] = {True: [], False: []}
    for number in range(PAIRS):
        for confined in (number % 2 == 0, number % 2 == 1):
            with server(directory, confined=confined) as (url, milliseconds):
                starts[confined].append(milliseconds)
                load = asyncio.run(wrk.load(f"{url}/infer", BODY, directory, connections=CONNECTIONS))
                rates[confined].append(load.rate)
    return [
        report.Figure(f"start until ready, median of {PAIRS}, without the sandbox", f"{middle(starts[False]):.0f} ms"),
        report.Figure(f"start until ready, median of {PAIRS}, in the sandbox", f"{middle(starts[True]):.0f} ms"),
        report.at_most("start, more in the sandbox, median of pairs", 100 * (paired(starts) - 1), GOAL, "%"),
        report.Figure(f"requests/s, {CONNECTIONS} connections, without the sandbox", f"{middle(rates[False]):.0f}"),
        report.Figure(f"requests/s, {CONNECTIONS} connections, in the sandbox", f"{middle(rates[True]):.0f}"),
        report.at_most("requests/s, fewer in the sandbox, median of pairs", 100 * (1 - paired(rates)), GOAL, "%"),
    ]


def middle(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def paired(values: dict[bool, list[float]]) -> float:
    """The median ratio of the pairs, with the sandbox to without."""
    return middle([confined / free for confined, free in zip(values[True], values[False], strict=True)])


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        work = Path(scratch)
        (work / "home").mkdir()
        adder(work / "model", 1)
        report.write("sandbox", "uv run task bench:sandbox", measure(work))
