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
    """What the author declares in ormbfile.yaml."""

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
    """Whether the signature of a model is known."""

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
    """A digest that the tag has named."""

    digest: Digest
    pushed_at: datetime
    verdict: Verdict | None = None
    """The verdict of its scan."""
    untrusted: tuple[str, ...] = ()
    """Names in the scan that a project would have to trust."""
    extraction: ExtractionPhase | None = None
    """The result of parsing it."""

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
    """Problems that the parser foresees, and contradictions between ormbfile.yaml and the files."""
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
        """The declared format, else the detected one; None while neither is known."""
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
    """The signature or the scan of a version has changed, or parsing it failed."""

    ref: ModelRef
    digest: Digest
    extraction: ExtractionPhase
    problem: Problem | None = None
    scan: Scan | None = None


class ModelDeleteRequested(WireModel):
    """A request to delete a version as the sender saw it; a manifest that is pushed to the tag later is kept."""

    ref: ModelRef
    digest: Digest
    generation: int
    created_at: datetime
    """Creation time of the version's document; a tag that is deleted and pushed again has a new one."""


class ModelDeleted(WireModel):
    """A tag was deleted from the registry."""

    ref: ModelRef
    digest: Digest
