"""Admission of uploads: limits on the size of a blob, on the open uploads of a project, and on its total size."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from klever_registry.domain.access import project_of
from klever_registry.errors import QuotaExceededError, TooLargeError, TooManyRequestsError
from klever_registry.ports import AccountSource, Space

MEASURED_SECONDS, LEAST_SECONDS = 60.0, 1.0
"""Maximum ages of a measurement: in general, and for a rejection."""
UPLOADS_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class Limits:
    """Limits on what is stored."""

    blob_bytes: int
    open_uploads: int
    """Open uploads per project."""
    project_bytes: int | None = None
    """Quota of each project that has none in the accounts; None for no limit."""


@dataclass
class _Measured:
    used: int
    at: float


class Admission:
    """Counts bytes while they are received, so that concurrent uploads cannot exceed a limit.

    The size of a project is measured on the disk periodically. Bytes that are received in between are added to it.

    Args:
        limits: the limits.
        space: measures the sizes of projects.
        accounts: the quotas of projects; None for a registry without authentication.
        now: monotonic seconds.
    """

    def __init__(self, limits: Limits, space: Space, accounts: AccountSource | None, now: Callable[[], float]) -> None:
        self._limits = limits
        self._space = space
        self._accounts = accounts
        self._now = now
        self._measured: dict[str, _Measured] = {}

    async def begin(self, repository: str) -> None:
        """Admit a new upload. Raises TooManyRequestsError."""
        project, most = project_of(repository), self._limits.open_uploads
        if await self._space.open_uploads(project) >= most:
            raise TooManyRequestsError(
                f"the project {project} has {most} uploads open: finish some, or wait until abandoned ones are removed",
                pause=UPLOADS_PAUSE_SECONDS,
            )

    async def bounded(
        self, repository: str, chunks: AsyncIterator[bytes], *, offset: int = 0, announced: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the chunks of a blob from an offset. Raises TooLargeError or QuotaExceededError at a limit."""
        self._require_size(offset + (announced or 0))
        async for chunk in chunks:
            offset += len(chunk)
            self._require_size(offset)
            await self.reserve(repository, len(chunk))
            yield chunk

    async def reserve(self, repository: str, size: int) -> None:
        """Reserve further bytes of a project. Raises QuotaExceededError."""
        project = project_of(repository)
        quota = await self._quota(project)
        if quota is None:
            return
        if await self._used(project, MEASURED_SECONDS) + size > quota:
            used = await self._used(project, LEAST_SECONDS)
            if used + size > quota:
                raise QuotaExceededError(
                    f"the project {project} may have {quota} bytes and has {used}: delete unused versions, "
                    "or ask the operator for a larger quota (`klever registry quota set`)",
                    detail={"quota": quota, "used": used},
                )
        self._measured[project].used += size

    def _require_size(self, size: int) -> None:
        if size > self._limits.blob_bytes:
            raise TooLargeError(
                f"a blob may have {self._limits.blob_bytes} bytes here: split the model, or ask the operator for a "
                "higher limit (KLEVER_REGISTRY_MAX_BLOB_BYTES)"
            )

    async def _quota(self, project: str) -> int | None:
        own = (await self._accounts.read()).quota_of(project) if self._accounts is not None else None
        return own if own is not None else self._limits.project_bytes

    async def _used(self, project: str, age: float) -> int:
        known = self._measured.get(project)
        if known is None or self._now() - known.at > age:
            known = self._measured[project] = _Measured(await self._space.used(project), self._now())
        return known.used
