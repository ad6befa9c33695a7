"""What the catalogue should say after a push, a job or a deletion. Pure."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from kleverproto.codes import UNSUPPORTED_FORMAT
from kleverproto.conversions import unverified_warnings
from kleverproto.documents import Intent, Problem, is_late
from kleverproto.models import ExtractionPhase, HistoryEntry, HistoryEntryChanges, ModelDocument, ModelSpec, ModelStatus
from kleverproto.references import ModelRef
from kleverproto.scans import Scan
from kleverproto.signatures import Signature
from ormb.agreement import contradictions

HISTORY_LIMIT = 100
"""Digests of a tag that are remembered; a document must stay far below the size of a NATS message."""


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
        return None if present.spec == spec else present.replace(spec=spec, updated_at=now)
    phase = ExtractionPhase.SUCCEEDED if known else ExtractionPhase.PENDING
    entry = HistoryEntry(digest=spec.digest, pushed_at=now, extraction=phase)
    history = (*(present.status.history if present else ()), entry)
    status = ModelStatus(
        announced_generation=present.status.announced_generation if present else 0,
        extraction=phase,
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
    return present.replace(status=present.status.replace(announced_generation=generation))


def needs_announcing(document: ModelDocument) -> bool:
    """Whether ModelPushed of the present generation may be missing in the stream."""
    return document.status.announced_generation < document.generation


def extracted(
    present: ModelDocument | None, digest: str, extraction: Extraction, outcome: Intent, *, now: datetime
) -> ModelDocument | None:
    """The document after a job on a digest ended; None where it is about other bytes, or a later outcome is known."""
    if present is None or present.spec.digest != digest:
        return None
    status = present.status
    if not is_late(status.extracted_by, outcome):
        attached = extraction.attached
        status = status.replace(
            history=_history_with(status, extraction=extraction.phase),
            extraction=extraction.phase,
            signature=attached.signature if attached else None,
            signature_digest=attached.digest if attached else None,
            job_id=extraction.job_id,
            problem=extraction.problem,
            warnings=_warnings(present.spec, attached),
            extracted_by=outcome,
        )
    return _with_status(present, _with_scan(status, extraction.scan, outcome), now)


def scanned(
    present: ModelDocument | None, digest: str, scan: Scan, outcome: Intent, *, now: datetime
) -> ModelDocument | None:
    """The document after a scan of a digest; None where it is about other bytes, or a later outcome is known."""
    if present is None or present.spec.digest != digest:
        return None
    return _with_status(present, _with_scan(present.status, scan, outcome), now)


def _warnings(spec: ModelSpec, attached: AttachedSignature | None) -> tuple[str, ...]:
    unverified = unverified_warnings(spec.metadata.labels)
    if attached is None:
        return unverified
    signature = attached.signature
    return (*unverified, *signature.warnings, *contradictions(spec.metadata.declared_signature, signature))


def _with_scan(status: ModelStatus, scan: Scan | None, outcome: Intent) -> ModelStatus:
    """The verdict stays with the digest, which may be served when the tag names another."""
    if scan is None or is_late(status.scanned_by, outcome):
        return status
    history = _history_with(status, verdict=scan.verdict, untrusted=scan.untrusted)
    return status.replace(scan=scan, history=history, scanned_by=outcome)


def _history_with(status: ModelStatus, **changes: Unpack[HistoryEntryChanges]) -> tuple[HistoryEntry, ...]:
    """What is known of the present digest stays with it."""
    last = [entry.replace(**changes) for entry in status.history[-1:]]
    return (*status.history[:-1], *last)


def _with_status(present: ModelDocument, status: ModelStatus, now: datetime) -> ModelDocument | None:
    if status == present.status:
        return None
    says_the_same = _unmarked(status) == _unmarked(present.status)
    return present.replace(status=status, updated_at=present.updated_at if says_the_same else now)


def _unmarked(status: ModelStatus) -> ModelStatus:
    return status.replace(extracted_by=None, scanned_by=None)


@dataclass(frozen=True)
class Comparison:
    """A registry against the catalogue."""

    differing: frozenset[ModelRef]
    """Versions that must be looked at: a tag differs from its document, was deleted, or was not announced."""
    lost: frozenset[ModelRef]
    """Versions of the registry that it does not have, though nobody deleted them: left alone, and an alarm."""
    known: int
    """How many versions of the registry the catalogue has."""

    @property
    def is_grave(self) -> bool:
        """Whether more is lost than is there."""
        return len(self.lost) * 2 > self.known


def compare(
    tags: Mapping[ModelRef, str], deleted: Container[ModelRef], documents: Iterable[ModelDocument], registry: str
) -> Comparison:
    """Compare the embedded registry with the catalogue.

    Args:
        tags: every tag of the registry, with its digest.
        deleted: the tags that were deleted there.
        documents: the whole catalogue; what other registries hold is left alone.
        registry: the registry's own address; documents from before it moved here are its own by their tag.
    """
    ours = {d.spec.ref: d for d in documents if d.spec.registry == registry or d.spec.ref in tags}
    missing = ours.keys() - tags.keys()
    gone = {ref for ref in missing if ref in deleted}
    changed = {ref for ref, digest in tags.items() if not _is_settled(ours.get(ref), digest, registry)}
    return Comparison(frozenset(changed | gone), frozenset(missing - gone), len(ours))


def compare_elsewhere(tags: Mapping[ModelRef, str], documents: Iterable[ModelDocument], registry: str) -> Comparison:
    """As `compare`, for a registry that is not the platform's own: what it lists proves no deletion.

    It has no claim to a version that another registry holds already.
    """
    held = {document.spec.ref: document for document in documents}
    ours = {ref: document for ref, document in held.items() if document.spec.registry == registry}
    stale = {ref for ref, d in ours.items() if ref in tags and not _is_settled(d, tags[ref], registry)}
    return Comparison(frozenset(stale | (tags.keys() - held.keys())), frozenset(ours.keys() - tags.keys()), len(ours))


def _is_settled(document: ModelDocument | None, digest: str, registry: str) -> bool:
    if document is None or needs_announcing(document):
        return False
    return (document.spec.digest, document.spec.registry) == (digest, registry)
