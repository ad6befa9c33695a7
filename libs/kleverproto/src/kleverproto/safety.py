"""Whether a model version may be served, as far as its scan tells; see `servable` for all that decides."""

from .codes import NOT_SCANNED, UNSAFE_MODEL
from .models import ExtractionPhase, ModelDocument
from .projects import ProjectPolicy
from .scans import Scan, is_blocked

NAMES_SHOWN = 10
"""Of what a model names; a project that trusts them all has to name each."""


def is_scanned(document: ModelDocument) -> bool:
    """Whether nothing more will be known: the scan is there, or the job failed before it.

    A signature may be there before the scan, since that of known bytes is taken from beside the model.
    """
    failed = document.status.extraction in {ExtractionPhase.FAILED, ExtractionPhase.UNSUPPORTED}
    return document.status.scan is not None or failed


def refusal(document: ModelDocument, digest: str | None, policy: ProjectPolicy) -> tuple[str, str] | None:
    """Code and message of why these bytes of a version are not served where the project blocks; None where they are."""
    ref, scan = document.spec.ref, document.status.scan
    if digest not in {None, document.spec.digest}:
        return _of_the_past(document, str(digest), policy)
    if scan is None:
        return NOT_SCANNED, (
            f"{ref} has not been scanned: see `klever models get {ref}` for why, scan it with "
            f"`klever jobs create {ref} --kind scan`, or allow it with `klever projects policy set {ref.project} "
            "--scan warn`"
        )
    if not is_blocked(scan.verdict, scan.untrusted, policy.trust):
        return None
    return UNSAFE_MODEL, _why(document, scan, policy)


def _of_the_past(document: ModelDocument, digest: str, policy: ProjectPolicy) -> tuple[str, str] | None:
    """Of what the tag once named, the verdict is kept."""
    entry = next((each for each in document.status.history if each.digest == digest), None)
    if entry is None or entry.verdict is None:
        return NOT_SCANNED, f"{digest} was not scanned while {document.spec.ref} named it: tag it again to have it done"
    if not is_blocked(entry.verdict, entry.untrusted, policy.trust):
        return None
    if entry.verdict == "untrusted":
        return UNSAFE_MODEL, _not_trusted(f"{digest} of {document.spec.ref}", document, entry.untrusted, policy)
    return UNSAFE_MODEL, f"{digest} may run foreign code when it is loaded: tag it again to see what was found"


def _why(document: ModelDocument, scan: Scan, policy: ProjectPolicy) -> str:
    ref, worst = document.spec.ref, scan.findings[0]
    if scan.verdict == "untrusted":
        return _not_trusted(str(ref), document, scan.untrusted, policy)
    found = f"{worst.file} names {worst.what}" if worst.what else f"{worst.file or 'it'} cannot be scanned"
    return (
        f"{ref} may run foreign code when it is loaded: {found} ({worst.reason}). Push it in a format without pickles, "
        f"such as ONNX or skops; or let it pass with `klever projects policy set {ref.project} --scan warn`: its model "
        "server still loads only what is known or trusted"
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
