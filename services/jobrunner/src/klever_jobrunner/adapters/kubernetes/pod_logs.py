"""Follows the logs of the containers of one Job."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from kleverkit.tasks import cancel
from kleverkube.manifest import Manifest
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.failures import ApiUnavailableError, DeniedError, RefusedByClusterError
from kleverkubeclient.log_cursor import LogCursor

from .lines import outcome_in
from .outcomes import container_names, has_exited, has_started

if TYPE_CHECKING:
    from klever_jobrunner.domain.command import RunOutcome

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.5
SILENCE_SECONDS = 60.0
"""Time without output after which the log is requested again."""
PodSource = Callable[[], Manifest | None]


class PodLogs:
    """The logs of a pod: lines go to the job's log, and outcomes are kept.

    Args:
        api: the cluster.
        pod: returns the pod as last seen; None if it is not known.
        on_line: called with each line of the job's log.
    """

    def __init__(self, api: KubernetesApi, pod: PodSource, on_line: Callable[[str], None]) -> None:
        self.outcomes: dict[str, RunOutcome] = {}
        """The last outcome of each container: the command writes its own after all programs have ended."""
        self._api = api
        self._pod = pod
        self._on_line = on_line
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._denied: set[str] = set()
        """Containers whose logs the jobrunner's account may not read."""

    def look(self) -> None:
        """Begin to follow containers that have started."""
        pod = self._pod()
        if pod is None:
            return
        for container in container_names(pod):
            key = (pod["metadata"]["uid"], container)
            if key not in self._tasks and has_started(pod, container):
                self._tasks[key] = asyncio.create_task(self._follow(pod["metadata"], container))

    async def finish(self, within: float) -> None:
        """Wait until the logs of containers that have exited are read.

        Args:
            within: seconds after which it returns, unless the account may not read a log: a new attempt would run the
                job once more, and read nothing either. The pod is deleted with its Job in the end.
        """
        self.look()
        pending = set(self._tasks.values())
        while pending:
            _, pending = await asyncio.wait(pending, timeout=within)
            if not self._denied:
                return

    async def close(self) -> None:
        """Follow no log any more."""
        await cancel(list(self._tasks.values()))

    async def _follow(self, metadata: Manifest, container: str) -> None:
        cursor = LogCursor()
        while True:
            has_ended = self._has_exited(container)
            try:
                await self._read(metadata, container, cursor)
            except RefusedByClusterError as error:
                log.info("log of a job ends", pod=metadata["name"], container=container, error=str(error))
                has_ended = True
            except ApiUnavailableError as error:
                log.info("log of a job interrupted, resuming", pod=metadata["name"], error=str(error))
                self._note_denial(container, error)
                has_ended = False
            if has_ended:
                self._denied.discard(container)
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _read(self, metadata: Manifest, container: str, cursor: LogCursor) -> None:
        cursor.begin()
        lines = self._api.log_lines(
            metadata["namespace"], metadata["name"], container, since=cursor.time, silence=SILENCE_SECONDS
        )
        async for line in lines:
            text = cursor.take(line)
            if text is not None and (outcome := outcome_in(text, self._on_line)) is not None:
                self.outcomes[container] = outcome

    def _note_denial(self, container: str, error: ApiUnavailableError) -> None:
        if not isinstance(error, DeniedError):
            self._denied.discard(container)
        elif container not in self._denied:
            self._denied.add(container)
            self._on_line(f"waiting for the log of {container}: {error}")

    def _has_exited(self, container: str) -> bool:
        """Return whether a log that is read from now on is complete."""
        pod = self._pod()
        return pod is None or has_exited(pod, container)
