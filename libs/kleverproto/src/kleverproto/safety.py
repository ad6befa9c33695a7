"""Whether a model version may be served, as far as its scan tells; see `servable` for all that decides."""

from .models import ExtractionPhase, ModelDocument
from .scans import BLOCKED, Scan

UNSAFE_MODEL = "unsafe_model"
NOT_SCANNED = "model_not_scanned"


def is_scanned(document: ModelDocument) -> bool:
    """Whether nothing more will be known: the scan is there, or the job failed before it.

    A signature may be there before the scan, since that of known bytes is taken from beside the model.
    """
    failed = document.status.extraction in {ExtractionPhase.FAILED, ExtractionPhase.UNSUPPORTED}
    return document.status.scan is not None or failed


def refusal(document: ModelDocument, digest: str | None) -> tuple[str, str] | None:
    """Code and message of why these bytes of a version are not served where the project blocks; None where they are."""
    ref, scan = document.spec.ref, document.status.scan
    if digest not in {None, document.spec.digest}:
        return _of_the_past(document, str(digest))
    if scan is None:
        return NOT_SCANNED, (
            f"{ref} has not been scanned: see `klever models get {ref}` for why, scan it with "
            f"`klever jobs create {ref} --kind scan`, or allow it with `klever projects policy set {ref.project} "
            "--scan warn`"
        )
    return (UNSAFE_MODEL, _why(document, scan)) if scan.verdict in BLOCKED else None


def _of_the_past(document: ModelDocument, digest: str) -> tuple[str, str] | None:
    """Of what the tag once named, the verdict is kept."""
    verdict = next((entry.verdict for entry in document.status.history if entry.digest == digest), None)
    if verdict is None:
        return NOT_SCANNED, f"{digest} was not scanned while {document.spec.ref} named it: tag it again to have it done"
    if verdict not in BLOCKED:
        return None
    return UNSAFE_MODEL, f"{digest} may run foreign code when it is loaded: tag it again to see what was found"


def _why(document: ModelDocument, scan: Scan) -> str:
    ref, worst = document.spec.ref, scan.findings[0]
    found = f"{worst.file} names {worst.what}" if worst.what else f"{worst.file} cannot be scanned"
    return (
        f"{ref} may run foreign code when it is loaded: {found} ({worst.reason}). Push it in a format without pickles, "
        f"such as ONNX or skops; or, if you trust it, `klever projects policy set {ref.project} --scan warn`"
    )
