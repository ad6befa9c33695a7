"""Checks of a model version's scan by the policy of its project. See `servable` for all criteria."""

from .codes import NOT_SCANNED, UNSAFE_MODEL
from .models import ExtractionPhase, ModelDocument
from .projects import ProjectPolicy
from .refusals import Refusal
from .scans import Scan, is_blocked

NAMES_SHOWN = 10
"""Maximum number of names in a message."""


def is_scanned(document: ModelDocument) -> bool:
    """Return whether the scan is complete, or will never complete because its job failed.

    A signature does not imply a scan: that of known bytes is read from a referrer of the model before the scan.
    """
    failed = document.status.extraction in {ExtractionPhase.FAILED, ExtractionPhase.UNSUPPORTED}
    return document.status.scan is not None or failed


def refusal(document: ModelDocument, digest: str | None, policy: ProjectPolicy) -> Refusal | None:
    """Return the reason why a project that blocks does not permit these bytes of a version, or None."""
    ref, scan = document.spec.ref, document.status.scan
    if digest not in {None, document.spec.digest}:
        return _refusal_of_earlier_digest(document, str(digest), policy)
    if scan is None:
        return Refusal(
            NOT_SCANNED,
            f"{ref} has not been scanned: see `klever models get {ref}` for why, scan it with "
            f"`klever jobs create {ref} --kind scan`, or allow it with `klever projects policy set {ref.project} "
            "--scan warn`",
        )
    if not is_blocked(scan.verdict, scan.untrusted, policy.trust):
        return None
    return Refusal(UNSAFE_MODEL, _unsafe_reason(document, scan, policy))


def _refusal_of_earlier_digest(document: ModelDocument, digest: str, policy: ProjectPolicy) -> Refusal | None:
    """Return the refusal for an earlier digest of the tag, by the verdict in the history."""
    entry = next((each for each in document.status.history if each.digest == digest), None)
    if entry is None or entry.verdict is None:
        message = f"{digest} was not scanned while {document.spec.ref} named it: tag it again to have it scanned"
        return Refusal(NOT_SCANNED, message)
    if not is_blocked(entry.verdict, entry.untrusted, policy.trust):
        return None
    if entry.verdict == "untrusted":
        message = _untrusted_message(f"{digest} of {document.spec.ref}", document, entry.untrusted, policy)
    else:
        message = f"{digest} may run foreign code when it is loaded: tag it again to see the findings"
    return Refusal(UNSAFE_MODEL, message)


def _unsafe_reason(document: ModelDocument, scan: Scan, policy: ProjectPolicy) -> str:
    ref, worst = document.spec.ref, scan.findings[0]
    if scan.verdict == "untrusted":
        return _untrusted_message(str(ref), document, scan.untrusted, policy)
    finding = f"{worst.file} names {worst.what}" if worst.what else f"{worst.file or 'it'} cannot be scanned"
    return (
        f"{ref} may run foreign code when it is loaded: {finding} ({worst.reason}). Push it in a format without "
        f"pickles, such as ONNX or skops; or allow it with `klever projects policy set {ref.project} --scan warn`: its "
        "model server still loads only known and trusted names"
    )


def _untrusted_message(subject: str, document: ModelDocument, names: tuple[str, ...], policy: ProjectPolicy) -> str:
    missing = [name for name in names if name not in policy.trust]
    shown = ", ".join(missing[:NAMES_SHOWN])
    more = f" and {len(missing) - NAMES_SHOWN} more (`klever models get` lists them)" if missing[NAMES_SHOWN:] else ""
    options = " ".join(f"--trust {name}" for name in missing[:NAMES_SHOWN])
    return (
        f"{subject} names classes or functions that are not trusted: {shown}{more}. Loading it runs their code: if "
        f"you trust them, `klever projects policy set {document.spec.ref.project} {options}`; else push it in a format "
        "without pickles, such as ONNX or skops"
    )
