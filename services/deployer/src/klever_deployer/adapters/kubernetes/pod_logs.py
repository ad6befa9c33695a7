"""Logs of model servers, followed through the API."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import structlog

from klever_deployer.ports import LogPart
from kleverkit.errors import TransientError
from kleverkube.containers import SERVERS
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import NOT_FOUND, RefusedByClusterError
from kleverroutes.versions import VersionKey

from .log_positions import LogPositions, Position
from .states import version_key

log = structlog.get_logger(__name__)

LINES_OF_A_PART = 200
LONGEST_LINE = 2000
"""Characters; the rest of a line is left out."""
BUFFERED_LINES = 1000
"""Lines of a pod that wait to be acknowledged; then its log is read no further."""
LOOK_SECONDS = 0.5
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 30.0
"""Pause before a log is read again; it doubles while that fails, so that many pods without logs are not a load."""
SILENCE_SECONDS = 300.0
"""Time without output after which the log is requested again."""


class PodLog:
    """The log of one pod, from a position on.

    Args:
        api: the cluster.
        version: version of the pod.
        pod: whose server has started.
        position: position of the last acknowledged line; moved by `acknowledge`.
    """

    def __init__(self, api: KubernetesApi, version: VersionKey, pod: Manifest, position: Position) -> None:
        self._api = api
        self._version = version
        self._pod = pod["metadata"]
        self._container = next(name for name in _containers(pod) if name in SERVERS)
        self._position = position
        self._lines: deque[tuple[str, str]] = deque()
        """Time and text of the lines that are not acknowledged."""
        self._room = asyncio.Event()
        self._pending = 0
        self.ended = False
        """True if the pod is gone, so that nothing follows."""

    async def follow(self) -> None:
        """Read the log until the pod is gone."""
        pause = RETRY_SECONDS
        while not self.ended:
            try:
                await self._read()
            except (RefusedByClusterError, TransientError) as error:
                self.ended = isinstance(error, RefusedByClusterError) and error.status == NOT_FOUND
                log.info("log of a pod interrupted", pod=self._pod["name"], ended=self.ended, error=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)
            else:
                pause = RETRY_SECONDS
                await asyncio.sleep(pause)

    def part(self) -> LogPart | None:
        """The next part: the same one until it is acknowledged."""
        self._pending = self._pending or min(len(self._lines), LINES_OF_A_PART)
        if not self._pending:
            return None
        lines = tuple(text for _, text in list(self._lines)[: self._pending])
        place = f"{self._position.time or 'begin'}-{self._position.lines}"
        return LogPart(self._version, self._position.replica, f"{self._pod['uid']}-{place}", lines)

    def acknowledge(self) -> None:
        """Continue after the present part."""
        for _ in range(self._pending):
            time, _text = self._lines.popleft()
            repeated = time == self._position.time
            self._position.time, self._position.lines = time, self._position.lines + 1 if repeated else 1
        self._pending = 0
        self._room.set()

    async def _read(self) -> None:
        """One connection. The API starts at a time, so lines of that time that were read before are left out."""
        last, known = self._last_line()
        lines = self._api.log_lines(
            self._pod["namespace"], self._pod["name"], self._container, since=last, silence=SILENCE_SECONDS
        )
        async for line in lines:
            time, _, text = line.decode(errors="replace").rstrip("\n").partition(" ")
            if last is not None and time < last:
                continue
            if time == last and known:
                known -= 1
                continue
            await self._append(time, text[:LONGEST_LINE])

    def _last_line(self) -> tuple[str | None, int]:
        """The time of the last line that was read, and how many lines have it."""
        if not self._lines:
            return self._position.time, self._position.lines
        time = self._lines[-1][0]
        count = sum(each == time for each, _ in self._lines)
        return time, count + (self._position.lines if time == self._position.time else 0)

    async def _append(self, time: str, text: str) -> None:
        while len(self._lines) >= BUFFERED_LINES:
            self._room.clear()
            await self._room.wait()
        self._lines.append((time, text))


class PodLogs:
    """See `ports.ReplicaLogs`.

    Args:
        api: the cluster.
        pods: the pods of all versions.
        file: stores how far each log was read.
    """

    def __init__(self, api: KubernetesApi, pods: Callable[[], Iterable[Manifest]], file: Path) -> None:
        self._api = api
        self._pods = pods
        self._positions = LogPositions(file)
        self._logs: dict[str, PodLog] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def load(self) -> None:
        """Continue after the lines that the last deployer acknowledged."""
        self._positions.load()

    async def run(self) -> None:
        """Follow the logs of all pods whose server has started, until cancelled."""
        try:
            while True:
                self.look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self.close()

    async def close(self) -> None:
        """Follow no log any more; `load` continues after what was acknowledged."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._logs.clear()

    def look(self) -> None:
        """Begin with new pods, and leave those that are gone and were read to their end."""
        present = {pod["metadata"]["uid"]: pod for pod in self._pods() if has_started(pod)}
        for uid, pod in present.items():
            if uid not in self._logs and (version := version_key(pod)) is not None:
                position = self._positions.find(uid, version.name)
                self._logs[uid] = PodLog(self._api, version, pod, position)
                self._tasks[uid] = asyncio.create_task(self._logs[uid].follow())
        for uid in [uid for uid, each in self._logs.items() if uid not in present and each.part() is None]:
            self._tasks.pop(uid).cancel()
            del self._logs[uid]
            self._positions.retain(self._logs)

    async def read(self) -> list[LogPart]:
        """See `ReplicaLogs`."""
        return [part for each in self._logs.values() if (part := each.part()) is not None]

    async def acknowledge(self, parts: Collection[LogPart]) -> None:
        """See `ReplicaLogs`."""
        ids = {part.id for part in parts}
        for each in self._logs.values():
            if (part := each.part()) is not None and part.id in ids:
                each.acknowledge()
        if parts:
            await asyncio.to_thread(self._positions.store)


def _containers(pod: Manifest) -> Iterable[str]:
    return (each["name"] for each in pod["status"]["containerStatuses"])


def has_started(pod: Manifest) -> bool:
    """Return whether the server of a pod runs, or has run."""
    statuses = pod.get("status", {}).get("containerStatuses", ())
    states = [each.get("state", {}) | each.get("lastState", {}) for each in statuses if each["name"] in SERVERS]
    return any("running" in state or "terminated" in state for state in states)
