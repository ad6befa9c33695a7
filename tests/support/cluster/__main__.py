"""`python -m support.cluster up|down|run`: a cluster for development, until `down`."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from support.go_tools import cache

from . import host, programs
from .layout import Layout
from .running import cluster, kubectl

NAME = "klever-cluster"
SECONDS_TO_STOP = 120


def main() -> int:
    """Runs one of the commands. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m support.cluster", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "run"))
    command = parser.parse_args().command
    if refusal := host.refusal():
        print(f"This machine cannot run a cluster: {refusal}.", file=sys.stderr)
        return 1
    return {"up": _up, "down": _down, "run": _run}[command](_layout())


def _up(layout: Layout) -> int:
    """Starts a process that runs the cluster, and waits until the node is ready."""
    programs.build()
    _down(layout)
    layout.directory.mkdir(parents=True)
    with (layout.directory / "cluster.log").open("wb") as log:
        runner = subprocess.Popen(
            [sys.executable, "-m", "support.cluster", "run"], stdout=log, stderr=log, start_new_session=True
        )
    while not _ready(layout).exists():
        if runner.poll() is not None:
            print((layout.directory / "cluster.log").read_text(), file=sys.stderr)
            return 1
        time.sleep(0.1)
    print(kubectl(layout, "get", "nodes", "--output=wide"))
    print(f"Use it: export KUBECONFIG={layout.kubeconfig('admin')}")
    print(f"        {' '.join(layout.inside(layout.program('kubectl'), 'get', 'pods', '-A'))}")
    return 0


def _run(layout: Layout) -> int:
    """Runs the cluster until SIGTERM."""
    _process_id(layout).write_text(str(os.getpid()))
    with cluster(layout):
        _ready(layout).touch()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def _down(layout: Layout) -> int:
    """Stops the process that runs the cluster, and removes the cluster's directory."""
    if _process_id(layout).exists():
        runner = int(_process_id(layout).read_text())
        deadline = time.monotonic() + SECONDS_TO_STOP
        while _is_runner(runner) and time.monotonic() < deadline:
            os.kill(runner, signal.SIGTERM)
            time.sleep(0.5)
    shutil.rmtree(layout.directory, ignore_errors=True)
    return 0


def _is_runner(process: int) -> bool:
    command = Path("/proc") / str(process) / "cmdline"
    return command.exists() and b"support.cluster" in command.read_bytes()


def _layout() -> Layout:
    return Layout(cache().parent / "cluster", NAME, cache())


def _process_id(layout: Layout) -> Path:
    return layout.directory / "cluster.pid"


def _ready(layout: Layout) -> Path:
    return layout.directory / "ready"


if __name__ == "__main__":
    sys.exit(main())
