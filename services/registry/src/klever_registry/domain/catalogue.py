"""What the catalogue should say after a push, a job or a deletion. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kleverproto.documents import Problem
from kleverproto.models import ExtractionPhase, HistoryEntry, ModelDocument, ModelSpec, ModelStatus
from kleverproto.references import ModelRef
from kleverproto.scans import Scan
from kleverproto.signatures import Signature
from ormb.agreement import contradictions

HISTORY_LIMIT = 100
"""Digests of a tag that are remembered; a document must stay far below the size of a NATS message."""
UNSUPPORTED_FORMAT = "unsupported_format"
"""Code of the problem of a job that does not know the model's format."""


@dataclass(frozen=True)
class AttachedSignature:
    """A signature and the referrer that holds it."""

    signature: Signature
    digest: str | None
    """None where the registry lets us read only."""


@dataclass(frozen=True)
class Extraction:
    """How parsing a model ended."""

    job_id: str
    attached: AttachedSignature | None = None
    problem: Problem | None = None
    scan: Scan | None = None

    @property
    def phase(self) -> ExtractionPhase:
        """The phase that it leaves the model in."""
        if self.problem is None:
            return ExtractionPhase.SUCCEEDED
        unsupported = self.problem.code == UNSUPPORTED_FORMAT
        return ExtractionPhase.UNSUPPORTED if unsupported else ExtractionPhase.FAILED


def pushed(
    present: ModelDocument | None, spec: ModelSpec, *, now: datetime, known: AttachedSignature | None
) -> ModelDocument | None:
    """The document after a tag was pushed; None where nothing changes.

    Args:
        present: the document now.
        spec: what the tag names.
        now: the time of the push.
        known: the signature of these bytes, where they were parsed before.
    """
    if present is not None and present.spec.digest == spec.digest:
        return None if present.spec == spec else present.model_copy(update={"spec": spec, "updated_at": now})
    history = (*(present.status.history if present else ()), HistoryEntry(digest=spec.digest, pushed_at=now))
    status = ModelStatus(
        announced_generation=present.status.announced_generation if present else 0,
        extraction=ExtractionPhase.SUCCEEDED if known else ExtractionPhase.PENDING,
        signature=known.signature if known else None,
        signature_digest=known.digest if known else None,
        warnings=_warnings(spec, known),
        history=history[-HISTORY_LIMIT:],
    )
    return ModelDocument(
        spec=spec,
        status=status,
        generation=present.generation + 1 if present else 1,
        created_at=present.created_at if present else now,
        updated_at=now,
    )


def announced(present: ModelDocument | None, generation: int) -> ModelDocument | None:
    """The document once ModelPushed of a generation is in the stream; None where nothing changes."""
    if present is None or present.status.announced_generation >= generation:
        return None
    status = present.status.model_copy(update={"announced_generation": generation})
    return present.model_copy(update={"status": status})


def needs_announcing(document: ModelDocument) -> bool:
    """Whether ModelPushed of the present generation may be missing in the stream."""
    return document.status.announced_generation < document.generation


def extracted(
    present: ModelDocument | None, digest: str, extraction: Extraction, *, now: datetime
) -> ModelDocument | None:
    """The document after a job on a digest ended; None where it is about other bytes or nothing changes."""
    if present is None or present.spec.digest != digest:
        return None
    attached = extraction.attached
    status = present.status.model_copy(
        update={
            "extraction": extraction.phase,
            "signature": attached.signature if attached else None,
            "signature_digest": attached.digest if attached else None,
            "job_id": extraction.job_id,
            "problem": extraction.problem,
            "warnings": _warnings(present.spec, attached),
        }
    )
    return _with_status(present, _with_scan(status, extraction.scan or status.scan), now)


def scanned(present: ModelDocument | None, digest: str, scan: Scan, *, now: datetime) -> ModelDocument | None:
    """The document after a scan of a digest; None where it is about other bytes or nothing changes."""
    if present is None or present.spec.digest != digest:
        return None
    return _with_status(present, _with_scan(present.status, scan), now)


def _warnings(spec: ModelSpec, attached: AttachedSignature | None) -> tuple[str, ...]:
    if attached is None:
        return ()
    found = attached.signature
    return (*found.warnings, *contradictions(spec.metadata.declared_signature, found))


def _with_scan(status: ModelStatus, scan: Scan | None) -> ModelStatus:
    """The verdict stays with the digest, which may be served when the tag names another."""
    if scan is None or not status.history:
        return status.model_copy(update={"scan": scan})
    last = status.history[-1].model_copy(update={"verdict": scan.verdict})
    return status.model_copy(update={"scan": scan, "history": (*status.history[:-1], last)})


def _with_status(present: ModelDocument, status: ModelStatus, now: datetime) -> ModelDocument | None:
    if status == present.status:
        return None
    return present.model_copy(update={"status": status, "updated_at": now})


def differing(tags: Mapping[ModelRef, str], documents: Iterable[ModelDocument], registry: str) -> set[ModelRef]:
    """The versions that must be looked at: registry and catalogue disagree, or an announcement may be missing.

    Args:
        tags: every tag of the registry, with its digest.
        documents: the whole catalogue; what other registries hold is left alone.
        registry: the registry's own address; documents from before it moved here are its own by their tag.
    """
    ours = [d for d in documents if d.spec.registry == registry or d.spec.ref in tags]
    settled = {d.spec.ref: (d.spec.digest, d.spec.registry) for d in ours if not needs_announcing(d)}
    unannounced = {d.spec.ref for d in ours if needs_announcing(d)}
    gone = set(settled) - set(tags)
    return unannounced | gone | {ref for ref, digest in tags.items() if settled.get(ref) != (digest, registry)}


def differing_elsewhere(
    tags: Mapping[ModelRef, str], documents: Iterable[ModelDocument], registry: str
) -> set[ModelRef]:
    """As `differing`, for a registry that is not the platform's own.

    It has no claim to a version that another registry holds already.
    """
    held = {document.spec.ref: document for document in documents}
    ours = {ref: document for ref, document in held.items() if document.spec.registry == registry}
    stale = {ref for ref, d in ours.items() if needs_announcing(d) or tags.get(ref) != d.spec.digest}
    return stale | (set(tags) - set(held))
