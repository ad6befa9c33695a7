"""`python -m kleverserve.triton`: serve one model with Triton Inference Server until SIGTERM.

Run by the Python of the toolchain `triton`. Exit codes: see `kleverserve.command_line`.
"""

import argparse
import logging
import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from kleverserve.access import Access
from kleverserve.child import Child, Stop, stop_signals
from kleverserve.command_line import EXIT_CANNOT_LISTEN, EXIT_CANNOT_LOAD, fail, server_parser
from kleverserve.errors import ModelLoadError
from kleverserve.logs import configure_logging
from kleverserve.ports import port_or_free
from kleverserve.readiness import is_ready
from modelfiles.runtimes import RUNTIMES
from modelfiles.unpickling.allowlist import trust_only

from .closing import CLOSED
from .folder import run_folder
from .installation import Installation, child_environment, find_installation
from .proxy import Proxy
from .repository import write_backends, write_repository
from .sample import refusal

log = logging.getLogger(__name__)

FORMATS = RUNTIMES["triton"].served_here
LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.05
LAST_SECONDS = 2.0  # time for Triton to stop its model processes after the drain


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = server_parser("kleverserve.triton", "Serve one model with Triton Inference Server.", FORMATS)
    parser.add_argument("--grpc-port", type=int, help="port for gRPC; 0 is any free port")
    parser.add_argument("--inner-port", type=int, default=0, help="port of Triton itself; 0 is any free port")
    given = parser.parse_args(arguments)
    if re.fullmatch(r"\w[\w.-]*", given.name, re.ASCII) is None:
        parser.error(
            "--name must consist of letters, digits, '_', '.' and '-', because Triton uses it as a directory name"
        )
    return given


def main(arguments: Sequence[str]) -> int:
    """Describe the model, and run Triton. Returns the exit code."""
    given = parse_arguments(arguments)
    configure_logging()
    trust_only(given.trust)
    access = Access.from_environment(os.environ)
    with run_folder() as folder, stop_signals() as stop:
        try:
            return Launcher(given, folder, find_installation(), stop, access).run()
        except ModelLoadError as error:
            return fail(f"cannot load the model: {error}", EXIT_CANNOT_LOAD)
        except OSError as error:
            return fail(f"cannot listen on {given.host}:{given.port}: {error}", EXIT_CANNOT_LISTEN)


class Launcher:
    """Runs Triton for one model, from its configuration to its exit.

    Args:
        given: the command line.
        folder: directory for the model repository; the caller removes it.
        installation: the paths of Triton.
        stop: set by SIGTERM and SIGINT.
        access: authentication of HTTP requests.
    """

    def __init__(
        self, given: argparse.Namespace, folder: Path, installation: Installation, stop: Stop, access: Access
    ) -> None:
        self._given = given
        self._folder = folder
        self._installation = installation
        self._stop = stop
        self._access = access
        self._port = port_or_free(given.host, given.port)
        self._own_port = port_or_free(LOOPBACK, given.inner_port)
        self._grpc_port = None if given.grpc_port is None else port_or_free(given.host, given.grpc_port)

    def run(self) -> int:
        """Run until Triton exits. Returns the exit code."""
        config, sample = self._folder / "config.pbtxt", self._folder / "sample"
        describing = self._start(
            [sys.executable, "-m", "kleverserve.triton.describe", *self._described(config, sample)]
        )
        with self._stop.calling(describing.kill):
            code = describing.wait(within=None)
        if self._stop.asked:
            return 0
        if code:
            return code
        server = self._start(self._command(config.read_text()))
        upstream = f"http://{LOOPBACK}:{self._own_port}"
        proxy = Proxy(self._given.host, self._port, upstream, self._given.max_body_bytes, self._access)
        with self._stop.calling(server.terminate):
            try:
                proxy.start()
                return self._watch(server, proxy, sample)
            finally:
                proxy.stop()

    def _start(self, command: Sequence[str]) -> Child:
        return Child(command, child_environment(self._installation, os.environ, threads=self._given.threads))

    def _described(self, config: Path, sample: Path) -> list[str]:
        given = self._given
        return [
            *("--model-dir", str(given.model_dir.resolve()), "--format", given.format),
            *("--name", given.name, "--version", given.version),
            *("--threads", str(given.threads), "--to", str(config), "--sample-to", str(sample)),
        ]

    def _command(self, config: str) -> list[str]:
        given = self._given
        repository = write_repository(self._folder, name=given.name, config=config)
        grpc = ["--allow-grpc=false"]
        if self._grpc_port is not None:
            grpc = [f"--grpc-address={given.host}", f"--grpc-port={self._grpc_port}"]
        return [
            str(self._installation.server),
            f"--model-repository={repository}",
            f"--backend-directory={write_backends(self._folder, self._installation)}",
            f"--backend-config=python,shm-region-prefix-name={self._folder.name}-",
            "--disable-auto-complete-config",
            "--model-control-mode=none",
            f"--http-address={LOOPBACK}",
            f"--http-port={self._own_port}",
            *grpc,
            "--allow-metrics=false",
            *CLOSED,
            f"--exit-timeout-secs={math.ceil(given.drain_seconds)}",
        ]

    def _watch(self, server: Child, proxy: Proxy, sample: Path) -> int:
        """Announce readiness, and wait for Triton's exit. It is killed if it does not exit in time after a stop."""
        while (code := server.wait(within=POLL_SECONDS)) is None and not self._stop.asked:
            if is_ready(LOOPBACK, self._own_port, self._given.name):
                if failure := self._failure(sample):
                    server.kill()
                    server.wait(within=None)
                    return fail(f"cannot load the model: Triton fails on a small sample: {failure}", EXIT_CANNOT_LOAD)
                if not self._stop.asked:
                    self._announce(proxy)
                break
        while code is None and not self._stop.asked:
            code = server.wait(within=None)
        if code is None:
            code = server.wait(within=math.ceil(self._given.drain_seconds) + LAST_SECONDS)
        if code is None:
            log.warning("killing Triton, which did not exit in time")
            server.kill()
            server.wait(within=None)
        if self._stop.asked:
            return 0
        return fail(f"Triton exited with code {code}: see its log", EXIT_CANNOT_LISTEN)

    def _failure(self, sample: Path) -> str | None:
        """Return the reason if Triton fails on a sample that the model itself accepts; None if it succeeds."""
        url = f"http://{LOOPBACK}:{self._own_port}/v2/models/{self._given.name}/infer"
        failure = refusal(sample, url) if sample.is_file() else None
        return None if self._stop.asked else failure

    def _announce(self, proxy: Proxy) -> None:
        proxy.announce_ready()
        facts = {"host": self._given.host, "port": self._port, "grpc_port": self._grpc_port}
        log.info("ready", extra={"facts": facts | {"model": self._given.name, "version": self._given.version}})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
