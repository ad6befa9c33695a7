"""Models: the catalogue document and its events. Owner: registry."""

from datetime import datetime
from enum import StrEnum
from typing import Self, TypedDict, Unpack

from pydantic import Field

from .base import WireModel
from .documents import Document, Intent, Problem
from .references import Digest, ModelRef
from .scans import Scan, Verdict
from .signatures import Signature


class ModelMetadata(WireModel):
    """What the author says of a model in its ormbfile.yaml."""

    format: str | None = None
    framework: str | None = None
    author: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Stage (training, validation, …) to metric name to value."""
    hyper_parameters: dict[str, str] = Field(default_factory=dict)
    declared_signature: Signature | None = None


class LayerInfo(WireModel):
    """One layer of the artifact."""

    media_type: str
    digest: Digest
    size: int
    """Bytes."""
    path: str | None = None
    """The file it holds, where a layer is one file."""


class ModelSpec(WireModel):
    """What was pushed: a tag, and the manifest that it names now."""

    ref: ModelRef
    digest: Digest
    registry: str
    """host:port from which it can be pulled."""
    artifact_type: str
    size: int
    """Bytes of all layers together."""
    layers: tuple[LayerInfo, ...] = ()
    metadata: ModelMetadata = ModelMetadata()


class ExtractionPhase(StrEnum):
    """How far the platform is with knowing a model's signature."""

    PENDING = "Pending"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNSUPPORTED = "Unsupported"


class HistoryEntryChanges(TypedDict, total=False):
    """What may be replaced in a HistoryEntry."""

    verdict: Verdict | None
    untrusted: tuple[str, ...]
    extraction: ExtractionPhase | None


class HistoryEntry(WireModel):
    """A digest that the tag once named."""

    digest: Digest
    pushed_at: datetime
    verdict: Verdict | None = None
    """What its scan came to."""
    untrusted: tuple[str, ...] = ()
    """What that scan names that a project would have to trust."""
    extraction: ExtractionPhase | None = None
    """How parsing it ended."""

    def replace(self, **changes: Unpack[HistoryEntryChanges]) -> Self:
        """The same entry with other values for some fields."""
        return self.model_copy(update=changes)


class ModelStatusChanges(TypedDict, total=False):
    """What may be replaced in a ModelStatus."""

    announced_generation: int
    extraction: ExtractionPhase
    signature: Signature | None
    signature_digest: Digest | None
    scan: Scan | None
    warnings: tuple[str, ...]
    job_id: str | None
    problem: Problem | None
    extracted_by: Intent | None
    scanned_by: Intent | None
    history: tuple[HistoryEntry, ...]


class ModelStatus(WireModel):
    """What the platform knows of a model version."""

    announced_generation: int = 0
    """The last generation whose ModelPushed is known to be in the stream."""
    extraction: ExtractionPhase = ExtractionPhase.PENDING
    signature: Signature | None = None
    signature_digest: Digest | None = None
    """Digest of the OCI referrer that holds the signature, once attached."""
    scan: Scan | None = None
    """What loading the model would run; None until the version has been scanned."""
    warnings: tuple[str, ...] = ()
    """What will go wrong, as the parser found it, and where ormbfile.yaml says something else than the files."""
    job_id: str | None = None
    problem: Problem | None = None
    extracted_by: Intent | None = None
    """The outcome of a job that extraction, signature and problem come from; an earlier one is ignored."""
    scanned_by: Intent | None = None
    """The outcome of a job that the scan comes from, likewise."""
    history: tuple[HistoryEntry, ...] = ()
    """Oldest first, the present one last."""

    def replace(self, **changes: Unpack[ModelStatusChanges]) -> Self:
        """The same status with other values for some fields."""
        return self.model_copy(update=changes)


class ModelDocument(Document[ModelSpec, ModelStatus]):
    """A model version in the catalogue, bucket `klever-models`."""

    @property
    def format(self) -> str | None:
        """The format that the author gives, else the one that was found; None while neither is known."""
        parsed_as = self.status.signature.format if self.status.signature else None
        return self.spec.metadata.format or parsed_as


class ModelPushed(WireModel):
    """A tag names a new manifest. Once per change of (repository, tag, digest)."""

    ref: ModelRef
    digest: Digest
    registry: str
    """host:port from which it can be pulled."""
    format: str | None = None
    size: int | None = None


class ModelUpdated(WireModel):
    """What the platform knows of a version has changed: its signature came, or parsing failed; or it was scanned."""

    ref: ModelRef
    digest: Digest
    extraction: ExtractionPhase
    problem: Problem | None = None
    scan: Scan | None = None


class ModelDeleteRequested(WireModel):
    """Someone wants a version deleted, as it was when they asked: what is pushed to its tag later stays."""

    ref: ModelRef
    digest: Digest
    generation: int
    created_at: datetime
    """Of the version's document, as the generation: a tag that was deleted and pushed again is another one."""


class ModelDeleted(WireModel):
    """A tag is gone from the registry."""

    ref: ModelRef
    digest: Digest
