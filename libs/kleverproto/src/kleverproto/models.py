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
    """Metadata from ormbfile.yaml."""

    format: str | None = None
    framework: str | None = None
    author: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Metric values by stage (training, validation, …) and name."""
    hyper_parameters: dict[str, str] = Field(default_factory=dict)
    declared_signature: Signature | None = None


class LayerInfo(WireModel):
    """One layer of the artifact."""

    media_type: str
    digest: Digest
    size: int
    """Bytes."""
    path: str | None = None
    """Path of the file, if the layer is a single file."""


class ModelSpec(WireModel):
    """A pushed tag, and the manifest that it names now."""

    ref: ModelRef
    digest: Digest
    registry: str
    """host:port from which it can be pulled."""
    artifact_type: str
    size: int
    """Total size of all layers in bytes."""
    layers: tuple[LayerInfo, ...] = ()
    metadata: ModelMetadata = ModelMetadata()


class ExtractionPhase(StrEnum):
    """Phases of the extraction of a model's signature."""

    PENDING = "Pending"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNSUPPORTED = "Unsupported"


class HistoryEntryChanges(TypedDict, total=False):
    """Fields of HistoryEntry that can be replaced."""

    verdict: Verdict | None
    untrusted: tuple[str, ...]
    extraction: ExtractionPhase | None


class HistoryEntry(WireModel):
    """A digest that the tag has named."""

    digest: Digest
    pushed_at: datetime
    verdict: Verdict | None = None
    """The verdict of the scan."""
    untrusted: tuple[str, ...] = ()
    """Names in the scan that the project must trust before the model is loaded."""
    extraction: ExtractionPhase | None = None
    """The result of parsing."""

    def replace(self, **changes: Unpack[HistoryEntryChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class ModelStatusChanges(TypedDict, total=False):
    """Fields of ModelStatus that can be replaced."""

    announced_generation: int
    announced_sequence: int | None
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
    """The observed state of a model version."""

    announced_generation: int = 0
    """The last generation for which ModelPushed was published."""
    announced_sequence: int | None = None
    """Position of ModelPushed of the present generation in the stream; None until it is known."""
    extraction: ExtractionPhase = ExtractionPhase.PENDING
    signature: Signature | None = None
    signature_digest: Digest | None = None
    """Digest of the OCI referrer that holds the signature, once attached."""
    scan: Scan | None = None
    """The result of the scan for code that loading runs; None until the version is scanned."""
    warnings: tuple[str, ...] = ()
    """Problems that the parser foresees, and contradictions between ormbfile.yaml and the files."""
    job_id: str | None = None
    problem: Problem | None = None
    extracted_by: Intent | None = None
    """The event of the job that set extraction, signature and problem. Earlier events are ignored."""
    scanned_by: Intent | None = None
    """The event of the job that set the scan. Earlier events are ignored."""
    history: tuple[HistoryEntry, ...] = ()
    """Digests of the tag, oldest first, the present one last."""

    def replace(self, **changes: Unpack[ModelStatusChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)


class ModelDocument(Document[ModelSpec, ModelStatus]):
    """A model version in the catalogue, bucket `klever-models`."""

    @property
    def format(self) -> str | None:
        """The declared format, or else the detected one; None while neither is known."""
        parsed_as = self.status.signature.format if self.status.signature else None
        return self.spec.metadata.format or parsed_as


class ModelPushed(WireModel):
    """A tag names a new manifest. Published once per change of (repository, tag, digest)."""

    ref: ModelRef
    digest: Digest
    registry: str
    """host:port from which it can be pulled."""
    format: str | None = None
    size: int | None = None


class ModelUpdated(WireModel):
    """The signature or the scan of a version has changed, or the version could not be parsed."""

    ref: ModelRef
    digest: Digest
    extraction: ExtractionPhase
    problem: Problem | None = None
    scan: Scan | None = None


class ModelDeleteRequested(WireModel):
    """A request to delete a version in the state known to the sender. A manifest pushed to the tag later is kept."""

    ref: ModelRef
    digest: Digest
    generation: int
    created_at: datetime
    """Creation time of the version's document. A tag that is deleted and pushed again has a new one."""


class ModelDeleted(WireModel):
    """A tag was deleted from the registry."""

    ref: ModelRef
    digest: Digest
