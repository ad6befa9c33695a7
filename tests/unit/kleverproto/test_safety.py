"""Which versions a project that blocks lets be served."""

import pytest

from kleverproto.models import ExtractionPhase, ModelDocument
from kleverproto.safety import NOT_SCANNED, UNSAFE_MODEL, is_scanned, refusal
from kleverproto.scans import Finding, Scan, Severity
from support.gateway import digest, version_document


def scanned(severity: Severity | None) -> ModelDocument:
    """A version with one finding, or none."""
    document = version_document(number=7, history=(6, 7))
    findings = (Finding(file="model.pkl", what="os.system", severity=severity, reason="why"),) if severity else ()
    scan = Scan(verdict=severity or "clean", findings=findings, scanner="picklescan", scanner_version="1")
    return document.model_copy(update={"status": document.status.model_copy(update={"scan": scan})})


def past(severity: Severity | None) -> ModelDocument:
    """A version whose earlier digest has a verdict."""
    document = scanned("dangerous")
    earlier = document.status.history[0].model_copy(update={"verdict": severity})
    status = document.status.model_copy(update={"history": (earlier, *document.status.history[1:])})
    return document.model_copy(update={"status": status})


@pytest.mark.parametrize("severity", ["suspicious", None])
def test_what_nobody_proved_dangerous_is_served(severity: Severity | None) -> None:
    assert refusal(scanned(severity), None) is None
    assert refusal(scanned(severity), digest(7)) is None


@pytest.mark.parametrize("severity", ["dangerous", "failed"])
def test_what_is_dangerous_or_unreadable_is_refused_with_what_to_do(severity: Severity) -> None:
    code, message = refusal(scanned(severity), None) or ("", "")
    assert code == UNSAFE_MODEL
    assert "model.pkl" in message
    assert "klever projects policy set library --scan warn" in message


def test_an_earlier_digest_is_judged_by_its_own_verdict() -> None:
    assert refusal(scanned("dangerous"), digest(6)) is None
    assert (refusal(past("dangerous"), digest(6)) or ("", ""))[0] == UNSAFE_MODEL
    assert (refusal(past(None), digest(6)) or ("", ""))[0] == NOT_SCANNED


def test_a_version_that_was_not_scanned_is_refused() -> None:
    document = scanned(None)
    status = document.status.model_copy(update={"scan": None})
    unscanned = document.model_copy(update={"status": status})
    assert (refusal(unscanned, None) or ("", ""))[0] == NOT_SCANNED
    assert not is_scanned(unscanned)
    parsed = status.model_copy(update={"extraction": ExtractionPhase.SUCCEEDED})
    assert not is_scanned(document.model_copy(update={"status": parsed}))
    failed = status.model_copy(update={"extraction": ExtractionPhase.FAILED})
    assert is_scanned(document.model_copy(update={"status": failed}))
