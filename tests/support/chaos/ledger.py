"""What the platform has accepted, and so what has to be true in the end; knows nothing of how the platform works."""

from dataclasses import dataclass, field
from enum import StrEnum

Outcome = int | None
"""The number of the version that a serving answers with; None for no serving."""


class Fate(StrEnum):
    """What someone wants of a job."""

    RUN = "run"
    CANCELLED = "cancelled"
    DELETED = "deleted"


@dataclass
class Version:
    """The last push of a tag that was accepted."""

    number: int
    digest: str


@dataclass
class Serving:
    """The last request for a serving that was accepted."""

    outcome: Outcome
    request: str
    """Its correlation id."""
    before: Outcome = None
    handled: bool = False
    """Whether the platform was seen to have taken it up."""
    excused: bool = False
    """Whether its stream was lost before that: what was before is right, too."""

    @property
    def right(self) -> set[Outcome]:
        """Every outcome that is right."""
        return {self.outcome, self.before} if self.excused else {self.outcome}


@dataclass
class Job:
    """A job that was asked for."""

    ref: str
    fate: Fate
    handled: bool = False
    excused: bool = False
    """Whether its requests may have been lost with their stream, or its document with its bucket."""
    stopped_at: float | None = None
    """When its cancellation or deletion was accepted, by the clock of the event store."""


@dataclass
class Ledger:
    """Everything that was accepted."""

    versions: dict[str, Version] = field(default_factory=dict)
    servings: dict[str, Serving] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    """Answers that no fault explains."""

    def pushed(self, ref: str, number: int, digest: str) -> None:
        """A push was accepted."""
        self.versions[ref] = Version(number, digest)

    def wanted(self, name: str, outcome: Outcome, request: str) -> None:
        """A request for a serving, or for its deletion, was accepted."""
        present = self.servings.get(name)
        lost = present is not None and present.excused
        before = present.before if present is not None and lost else present.outcome if present else None
        self.servings[name] = Serving(outcome, request, before=before)

    def handled(self, name: str, request: str) -> None:
        """A request was seen to be taken up."""
        serving = self.servings[name]
        if serving.request == request:
            serving.handled, serving.excused = True, False

    def lost_serving_requests(self) -> None:
        """The stream of requests for servings is lost: what was not taken up is lost with it."""
        for serving in self.servings.values():
            serving.excused = serving.excused or not serving.handled

    def lost_job_requests(self) -> None:
        """The stream of requests for jobs is lost."""
        for job in self.jobs.values():
            job.excused = job.excused or not job.handled

    def lost_jobs(self) -> None:
        """The documents of jobs are lost: their history is, too."""
        for job in self.jobs.values():
            job.excused = True

    @property
    def excused(self) -> int:
        """How many accepted requests the documented exception covers."""
        return sum(one.excused for one in self.servings.values()) + sum(one.excused for one in self.jobs.values())
