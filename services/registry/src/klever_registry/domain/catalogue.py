"""New states of the catalogue after a push, a job or a deletion. Pure functions."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from kleverproto.codes import UNSUPPORTED_FORMAT
from kleverproto.conversions import unverified_warnings
from kleverproto.documents import Intent, Problem, Tombstone, is_late
from kleverproto.models import ExtractionPhase, HistoryEntry, HistoryEntryChanges, ModelDocument, ModelSpec, ModelStatus
from kleverproto.references import ModelRef
from kleverproto.scans import Scan
from kleverproto.signatures import Signature
from ormb.agreement import contradictions

HISTORY_LIMIT = 100
"""Number of digests in the history of a tag. A document must stay far below the maximum size of a NATS message."""


@dataclass(frozen=True)
class AttachedSignature:
    """A signature and its referrer."""

    signature: Signature
    digest: str | None
    """Digest of the referrer; None if the registry is read-only for the platform."""


@dataclass(frozen=True)
class Extraction:
    """The result of parsing a model."""

    job_id: str
    attached: AttachedSignature | None = None
    problem: Problem | None = None
    scan: Scan | None = None

    @property
    def phase(self) -> ExtractionPhase:
        """The resulting phase of the model."""
        if self.problem is None:
            return ExtractionPhase.SUCCEEDED
        unsupported = self.problem.code == UNSUPPORTED_FORMAT
        return ExtractionPhase.UNSUPPORTED if unsupported else ExtractionPhase.FAILED


def pushed(
    present: ModelDocument | None, spec: ModelSpec, *, now: datetime, known: AttachedSignature | None
) -> ModelDocument | None:
    """Return the document after a push of a tag; None if nothing changes.

    Args:
        present: the present document.
        spec: the manifest that the tag names.
        now: the time of the push.
        known: the signature of these bytes, if they were parsed before.
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


def announced(
    known: ModelDocument | Tombstone[ModelDocument] | None, generation: int, position: int | None
) -> ModelDocument | None:
    """Return the document after ModelPushed of a generation was published; None if nothing changes."""
    if not isinstance(known, ModelDocument) or known.status.announced_generation >= generation:
        return None
    status = known.status.replace(announced_generation=generation)
    is_present = known.generation == generation
    return known.replace(status=status.replace(announced_sequence=position) if is_present else status)


def needs_announcing(document: ModelDocument) -> bool:
    """Return whether ModelPushed of the present generation may be missing in the stream."""
    return document.status.announced_generation < document.generation


def copied(document: ModelDocument) -> ModelDocument:
    """Return the copy of a document.

    It lacks what is not true of other streams, since the bucket may be lost together with them: that ModelPushed is in
    the stream, and after which outcomes others are late.
    """
    return document.replace(status=document.status.replace(announced_generation=0, extracted_by=None, scanned_by=None))


def restored(
    known: ModelDocument | Tombstone[ModelDocument] | None, copy: ModelDocument | None, *, is_older: bool
) -> ModelDocument | None:
    """Return the document of a copy; None if the bucket has lost nothing of it.

    Args:
        known: what is stored.
        copy: the copy.
        is_older: whether the bucket was restored from a backup.
    """
    if copy is None or known is None or not is_older:
        return copy if known is None else None
    if isinstance(known, Tombstone):
        return copy if known.deleted_at < copy.created_at else None
    return copy if _age(known) < _age(copy) else None


def _age(document: ModelDocument) -> tuple[datetime, int, datetime]:
    return document.created_at, document.generation, document.updated_at


def extracted(
    present: ModelDocument | None, digest: str, extraction: Extraction, outcome: Intent, *, now: datetime
) -> ModelDocument | None:
    """Return the document after an extraction; None if it is for another digest, or a later outcome is known."""
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
    """Return the document after a scan; None if it is for another digest, or a later outcome is known."""
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
    """Set the scan, also in the history: the digest may be served after the tag names another one."""
    if scan is None or is_late(status.scanned_by, outcome):
        return status
    history = _history_with(status, verdict=scan.verdict, untrusted=scan.untrusted)
    return status.replace(scan=scan, history=history, scanned_by=outcome)


def _history_with(status: ModelStatus, **changes: Unpack[HistoryEntryChanges]) -> tuple[HistoryEntry, ...]:
    """Return the history with changes to the entry of the present digest."""
    last = [entry.replace(**changes) for entry in status.history[-1:]]
    return (*status.history[:-1], *last)


def _with_status(present: ModelDocument, status: ModelStatus, now: datetime) -> ModelDocument | None:
    if status == present.status:
        return None
    is_same = _unmarked(status) == _unmarked(present.status)
    return present.replace(status=status, updated_at=present.updated_at if is_same else now)


def _unmarked(status: ModelStatus) -> ModelStatus:
    return status.replace(extracted_by=None, scanned_by=None)


@dataclass(frozen=True)
class Comparison:
    """The result of comparing a registry with the catalogue."""

    differing: frozenset[ModelRef]
    """Versions to process: the tag differs from its document, was deleted, or was not announced."""
    lost: frozenset[ModelRef]
    """Versions that the registry has lost without a deletion. They are kept in the catalogue, and raise an alarm."""
    known: int
    """Number of versions of the registry in the catalogue."""

    @property
    def is_grave(self) -> bool:
        """True if more than half of the versions are lost."""
        return len(self.lost) * 2 > self.known


def compare(
    tags: Mapping[ModelRef, str], deleted: Container[ModelRef], documents: Iterable[ModelDocument], registry: str
) -> Comparison:
    """Compare the embedded registry with the catalogue.

    Args:
        tags: digests of all tags of the registry.
        deleted: tags that were deleted in the registry.
        documents: the whole catalogue. Versions in other registries are ignored.
        registry: the present address of the registry. Documents with an earlier address are matched by their tags.
    """
    ours = {d.spec.ref: d for d in documents if d.spec.registry == registry or d.spec.ref in tags}
    missing = ours.keys() - tags.keys()
    removed = {ref for ref in missing if ref in deleted}
    changed = {ref for ref, digest in tags.items() if not _is_settled(ours.get(ref), digest, registry)}
    return Comparison(frozenset(changed | removed), frozenset(missing - removed), len(ours))


def compare_elsewhere(tags: Mapping[ModelRef, str], documents: Iterable[ModelDocument], registry: str) -> Comparison:
    """Like `compare`, for an external registry: a tag that is missing in its listing is not proof of a deletion.

    Versions that the catalogue has from another registry are ignored.
    """
    held = {document.spec.ref: document for document in documents}
    ours = {ref: document for ref, document in held.items() if document.spec.registry == registry}
    stale = {ref for ref, d in ours.items() if ref in tags and not _is_settled(d, tags[ref], registry)}
    return Comparison(frozenset(stale | (tags.keys() - held.keys())), frozenset(ours.keys() - tags.keys()), len(ours))


def _is_settled(document: ModelDocument | None, digest: str, registry: str) -> bool:
    if document is None or needs_announcing(document):
        return False
    return (document.spec.digest, document.spec.registry) == (digest, registry)
