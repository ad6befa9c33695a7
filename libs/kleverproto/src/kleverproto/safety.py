"""Whether a model version may be served, according to its scan; see `servable` for all criteria."""

from .codes import NOT_SCANNED, UNSAFE_MODEL
from .models import ExtractionPhase, ModelDocument
from .projects import ProjectPolicy
from .refusals import Refusal
from .scans import Scan, is_blocked

NAMES_SHOWN = 10
"""Names in a message; a project that trusts them all has to name each."""


def is_scanned(document: ModelDocument) -> bool:
    """Whether the scan is complete, or will not come because the job failed before it.

    A signature may be there before the scan, since that of known bytes is taken from beside the model.
    """
    failed = document.status.extraction in {ExtractionPhase.FAILED, ExtractionPhase.UNSUPPORTED}
    return document.status.scan is not None or failed


def refusal(document: ModelDocument, digest: str | None, policy: ProjectPolicy) -> Refusal | None:
    """Why a project that blocks does not allow these bytes of a version to be served; None if it does."""
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
    return Refusal(UNSAFE_MODEL, _why(document, scan, policy))


def _refusal_of_earlier_digest(document: ModelDocument, digest: str, policy: ProjectPolicy) -> Refusal | None:
    """Of digests that the tag named before, the verdict is kept."""
    entry = next((each for each in document.status.history if each.digest == digest), None)
    if entry is None or entry.verdict is None:
        message = f"{digest} was not scanned while {document.spec.ref} named it: tag it again to have it scanned"
        return Refusal(NOT_SCANNED, message)
    if not is_blocked(entry.verdict, entry.untrusted, policy.trust):
        return None
    if entry.verdict == "untrusted":
        message = _not_trusted(f"{digest} of {document.spec.ref}", document, entry.untrusted, policy)
    else:
        message = f"{digest} may run foreign code when it is loaded: tag it again to see the findings"
    return Refusal(UNSAFE_MODEL, message)


def _why(document: ModelDocument, scan: Scan, policy: ProjectPolicy) -> str:
    ref, worst = document.spec.ref, scan.findings[0]
    if scan.verdict == "untrusted":
        return _not_trusted(str(ref), document, scan.untrusted, policy)
    finding = f"{worst.file} names {worst.what}" if worst.what else f"{worst.file or 'it'} cannot be scanned"
    return (
        f"{ref} may run foreign code when it is loaded: {finding} ({worst.reason}). Push it in a format without "
        f"pickles, such as ONNX or skops; or allow it with `klever projects policy set {ref.project} --scan warn`: its "
        "model server still loads only known and trusted names"
    )


def _not_trusted(what: str, document: ModelDocument, names: tuple[str, ...], policy: ProjectPolicy) -> str:
    missing = [name for name in names if name not in policy.trust]
    shown = ", ".join(missing[:NAMES_SHOWN])
    more = f" and {len(missing) - NAMES_SHOWN} more (`klever models get` lists them)" if missing[NAMES_SHOWN:] else ""
    options = " ".join(f"--trust {name}" for name in missing[:NAMES_SHOWN])
    return (
        f"{what} names classes or functions that are not trusted: {shown}{more}. Loading it runs their code: where you "
        f"trust that, `klever projects policy set {document.spec.ref.project} {options}`; else push it in a format "
        "without pickles, such as ONNX or skops"
    )
