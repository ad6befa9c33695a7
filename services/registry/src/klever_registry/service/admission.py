"""How much may be stored: limits of one blob, of a project's open uploads, and of what a project has in all."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from klever_registry.domain.access import project_of
from klever_registry.errors import QuotaExceededError, TooLargeError, TooManyRequestsError
from klever_registry.ports import AccountSource, Space

MEASURED_SECONDS, LEAST_SECONDS = 60.0, 1.0
"""How old a measurement of a project may be, and how young where something is to be refused by it."""
UPLOADS_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class Limits:
    """What is taken at most."""

    blob_bytes: int
    open_uploads: int
    """Of a project."""
    project_bytes: int | None = None
    """Of each project that the accounts give no quota of its own; None is without limit."""


@dataclass
class _Measured:
    used: int
    at: float


class Admission:
    """Counts bytes while they come, so that nothing is stored beyond a limit, however many send at a time.

    What a project has is measured on the disk now and then, and what comes between is added to it.

    Args:
        limits: what is taken at most.
        space: what projects have.
        accounts: where quotas are; None where there are no accounts.
        now: seconds of a clock that never goes back.
    """

    def __init__(self, limits: Limits, space: Space, accounts: AccountSource | None, now: Callable[[], float]) -> None:
        self._limits = limits
        self._space = space
        self._accounts = accounts
        self._now = now
        self._measured: dict[str, _Measured] = {}

    async def begin(self, repository: str) -> None:
        """Let an upload begin. Raises TooManyRequestsError."""
        project, most = project_of(repository), self._limits.open_uploads
        if await self._space.open_uploads(project) >= most:
            raise TooManyRequestsError(
                f"the project {project} has {most} uploads open: end some, or wait until abandoned ones are removed",
                pause=UPLOADS_PAUSE_SECONDS,
            )

    async def bounded(
        self, repository: str, chunks: AsyncIterator[bytes], *, offset: int = 0, announced: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a blob while they come, after so many. Raises TooLargeError, QuotaExceededError."""
        self._require_size(offset + (announced or 0))
        async for chunk in chunks:
            offset += len(chunk)
            self._require_size(offset)
            await self.take(repository, len(chunk))
            yield chunk

    async def take(self, repository: str, size: int) -> None:
        """Let a project have so many bytes more. Raises QuotaExceededError."""
        project = project_of(repository)
        quota = await self._quota(project)
        if quota is None:
            return
        if await self._used(project, MEASURED_SECONDS) + size > quota:
            used = await self._used(project, LEAST_SECONDS)
            if used + size > quota:
                raise QuotaExceededError(
                    f"the project {project} may have {quota} bytes and has {used}: delete versions that nobody needs, "
                    "or ask the operator for a larger quota (`klever registry quota set`)",
                    detail={"quota": quota, "used": used},
                )
        self._measured[project].used += size

    def _require_size(self, size: int) -> None:
        if size > self._limits.blob_bytes:
            raise TooLargeError(
                f"a blob may have {self._limits.blob_bytes} bytes here: split the model, or ask the operator "
                "(KLEVER_REGISTRY_MAX_BLOB_BYTES)"
            )

    async def _quota(self, project: str) -> int | None:
        accounts = await self._accounts.read() if self._accounts is not None else None
        own = accounts.quota_of(project) if accounts is not None else None
        return own if own is not None else self._limits.project_bytes

    async def _used(self, project: str, age: float) -> int:
        known = self._measured.get(project)
        if known is None or self._now() - known.at > age:
            known = self._measured[project] = _Measured(await self._space.used(project), self._now())
        return known.used
