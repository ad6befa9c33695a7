"""The requests that the platform has accepted, and the required final state. Knows nothing of the implementation."""

from dataclasses import dataclass, field
from enum import StrEnum

Outcome = int | None
"""The number of the version that a serving answers with, or None for no serving."""


class Fate(StrEnum):
    """The requested end of a job."""

    RUN = "run"
    CANCELLED = "cancelled"
    DELETED = "deleted"


@dataclass
class Version:
    """The last accepted push of a tag."""

    number: int
    digest: str


@dataclass
class Serving:
    """The last accepted request for a serving."""

    outcome: Outcome
    request: str
    """The correlation id of the request."""
    before: frozenset[Outcome] = frozenset({None})
    """The possible outcomes if this request is lost."""
    handled: bool = False
    """True if the platform has handled the request."""
    excused: bool = False
    """True if its stream was lost before that."""

    @property
    def right(self) -> set[Outcome]:
        """Return every correct outcome."""
        return {self.outcome, *(self.before if self.excused else ())}


@dataclass
class Job:
    """A requested job."""

    ref: str
    fate: Fate
    handled: bool = False
    excused: bool = False
    """True if its requests may have been lost with their stream: every end is right."""
    forgotten: bool = False
    """True if its document may have been lost with its bucket: no document is right, too."""
    stopped_at: float | None = None
    """The time when its cancellation or deletion was accepted, by the clock of the event store."""


@dataclass
class Ledger:
    """Records every accepted request."""

    versions: dict[str, Version] = field(default_factory=dict)
    servings: dict[str, Serving] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    """Answers that no fault explains."""

    def pushed(self, ref: str, number: int, digest: str) -> None:
        """Record an accepted push."""
        self.versions[ref] = Version(number, digest)

    def wanted(self, name: str, outcome: Outcome, request: str) -> None:
        """Record an accepted request for a serving or for its deletion."""
        present = self.servings.get(name)
        before = {present.outcome, *(() if present.handled else present.before)} if present else {None}
        self.servings[name] = Serving(outcome, request, before=frozenset(before))

    def handled(self, name: str, request: str) -> None:
        """Record that a request was handled."""
        serving = self.servings[name]
        if serving.request == request:
            serving.handled, serving.excused = True, False

    def lost_serving_requests(self) -> None:
        """The stream of requests for servings is lost, and with it every request that was not handled."""
        for serving in self.servings.values():
            serving.excused = serving.excused or not serving.handled

    def lost_job_requests(self) -> None:
        """The stream of requests for jobs is lost."""
        for job in self.jobs.values():
            job.excused = job.excused or not job.handled

    def lost_jobs(self) -> None:
        """The documents of jobs are lost, and with them their history."""
        for job in self.jobs.values():
            job.forgotten = True

    def lost_everything(self) -> None:
        """The whole store is lost."""
        self.lost_serving_requests()
        self.lost_job_requests()
        self.lost_jobs()

    def went_back(self) -> None:
        """The whole store is an older one. Changes to jobs since then may be undone."""
        self.lost_serving_requests()
        for job in self.jobs.values():
            job.excused = job.forgotten = True

    @property
    def excused(self) -> int:
        """Return the number of accepted requests that the documented exception covers."""
        return sum(one.excused for one in self.servings.values()) + sum(one.excused for one in self.jobs.values())
