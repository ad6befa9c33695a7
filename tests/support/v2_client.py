"""The real model server as a process, and requests as its clients write them."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class ModelServer:
    """A running server."""

    process: subprocess.Popen[str]
    url: str


def server_command(directory: Path, *, name: str, extra: Sequence[str] = ()) -> list[str]:
    """The command with which the deployer starts it."""
    options = ["--model-dir", str(directory), "--format", "ONNX", "--name", name, "--version", "v1", "--port", "0"]
    return [sys.executable, "-m", "kleverserve", *options, *extra]


@contextmanager
def model_server(directory: Path, *, name: str, extra: Sequence[str] = ()) -> Iterator[ModelServer]:
    """A model server that is ready; killed at the end if it still runs."""
    with subprocess.Popen(
        server_command(directory, name=name, extra=extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                facts = json.loads(line)
                if facts["event"] == "ready":
                    yield ModelServer(process, f"http://127.0.0.1:{facts['port']}")
                    return
            raise AssertionError(f"the server ended: {process.communicate()}")
        finally:
            process.kill()


def tensor(name: str, datatype: str, shape: list[int], data: Any) -> dict[str, Any]:
    """One input of a request."""
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}
