"""Keeps the components of a cluster running. Runs as process 1 of the cluster's PID namespace."""

import math
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .layout import Layout
from .polling import wait_until

SECONDS_TO_START = 120.0
SECONDS_BETWEEN_STARTS = 1.0
LOG_END = 3000


@dataclass(frozen=True)
class Component:
    """A process of the cluster.

    Attributes:
        name: name of its log, and of its file in the directory of wanted components.
        command: its command line.
        descriptors: files that it inherits.
        environment: variables beside those of the supervisor.
    """

    name: str
    command: list[str]
    descriptors: tuple[int, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


class Supervisor:
    """Runs the wanted components, restarts those that exit, and kills those that are no longer wanted."""

    def __init__(self, layout: Layout, components: list[Component]) -> None:
        self._layout = layout
        self._components = components
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._began = time.monotonic()
        layout.wanted.mkdir(exist_ok=True)
        layout.process_ids.mkdir(exist_ok=True)

    def want(self, *names: str) -> None:
        """Starts components."""
        for name in names:
            (self._layout.wanted / name).touch()
        self.reconcile()

    def wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        """Waits until a component is ready.

        Raises:
            RuntimeError: a component exited, or the deadline passed.
        """
        if not wait_until(lambda: is_ready() or self._exited_component(), SECONDS_TO_START):
            raise RuntimeError(f"{name} is not ready after {SECONDS_TO_START:.0f} s:\n{self._log_end(name)}")
        if exited := self._exited_component():
            raise RuntimeError(f"{exited} exited during the start:\n{self._log_end(exited)}")
        self.report(f"{name} ready")

    def report(self, step: str) -> None:
        """Prints that a step is complete, and the seconds since the start."""
        print(f"{time.monotonic() - self._began:5.1f} s  {step}", flush=True)

    def run(self) -> None:
        """Reconciles until the process is killed."""
        wait_until(self.reconcile, math.inf)

    def reconcile(self) -> None:
        """Starts wanted components, and stops the others."""
        self._reap()
        for component in self._components:
            wanted = (self._layout.wanted / component.name).exists()
            process = self._running.get(component.name)
            if wanted and process is None:
                self._start(component)
            elif not wanted and process is not None:
                process.kill()

    def _exited_component(self) -> str | None:
        return next((name for name, process in self._running.items() if process.poll() is not None), None)

    def _start(self, component: Component) -> None:
        now = time.monotonic()
        if now - self._started.get(component.name, -SECONDS_BETWEEN_STARTS) < SECONDS_BETWEEN_STARTS:
            return
        with (self._layout.logs / f"{component.name}.log").open("ab") as log:
            process = subprocess.Popen(
                component.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=component.descriptors,
                env=os.environ | component.environment,
            )
        self._running[component.name], self._started[component.name] = process, now
        (self._layout.process_ids / component.name).write_text(str(process.pid))

    def _reap(self) -> None:
        """Collects exited processes: components, and the orphans for which process 1 is responsible."""
        while process := _exited_child():
            for name, component in list(self._running.items()):
                if component.pid == process:
                    component.poll()
                    del self._running[name]
                    (self._layout.process_ids / name).unlink()

    def _log_end(self, name: str) -> str:
        log = self._layout.logs / f"{name}.log"
        return log.read_text(errors="replace")[-LOG_END:] if log.exists() else "no log"


def _exited_child() -> int:
    try:
        return os.waitpid(-1, os.WNOHANG)[0]
    except ChildProcessError:
        return 0
