"""The versions that a blocking project allows to be served."""

import pytest

from kleverproto.codes import NOT_SCANNED, UNSAFE_MODEL
from kleverproto.models import ExtractionPhase, ModelDocument
from kleverproto.projects import ProjectPolicy
from kleverproto.safety import is_scanned, refusal
from kleverproto.scans import Finding, Scan, Severity
from support.gateway import digest, version_document

BLOCKING = ProjectPolicy()


def scanned(severity: Severity | None) -> ModelDocument:
    """A version with one finding, or none."""
    document = version_document(number=7, history=(6, 7))
    findings = (Finding(file="model.pkl", what="os.system", severity=severity, reason="why"),) if severity else ()
    scan = Scan(verdict=severity or "clean", findings=findings, scanner="klever", scanner_version="1")
    return document.model_copy(update={"status": document.status.model_copy(update={"scan": scan})})


def past(severity: Severity | None) -> ModelDocument:
    """A version whose earlier digest has a verdict."""
    document = scanned("dangerous")
    earlier = document.status.history[0].model_copy(update={"verdict": severity})
    status = document.status.model_copy(update={"history": (earlier, *document.status.history[1:])})
    return document.model_copy(update={"status": status})


def unknown(*names: str) -> ModelDocument:
    """A version with unknown names, in every digest of the tag."""
    document = scanned("untrusted")
    status = document.status
    assert status.scan is not None
    entries = [each.model_copy(update={"verdict": "untrusted", "untrusted": names}) for each in status.history]
    scan = status.scan.model_copy(update={"untrusted": names})
    return document.model_copy(update={"status": status.model_copy(update={"scan": scan, "history": tuple(entries)})})


def test_a_clean_model_is_served() -> None:
    assert refusal(scanned(None), None, BLOCKING) is None
    assert refusal(scanned(None), digest(7), BLOCKING) is None


@pytest.mark.parametrize("wanted", [None, digest(6)], ids=["present", "past"])
def test_an_untrusted_model_is_refused_until_the_project_trusts_all_of_its_names(wanted: str | None) -> None:
    document = unknown("my.models:Doubling", "my.models:Halving")
    code, message = refusal(document, wanted, BLOCKING) or ("", "")
    assert code == UNSAFE_MODEL
    assert "policy set library --trust my.models:Doubling --trust my.models:Halving`" in message
    half = ProjectPolicy(trust=("my.models:Doubling",))
    assert "policy set library --trust my.models:Halving`" in (refusal(document, wanted, half) or ("", ""))[1]
    assert refusal(document, wanted, ProjectPolicy(trust=("my.models:Halving", "my.models:Doubling"))) is None


def test_a_message_about_many_names_is_short() -> None:
    _, message = refusal(unknown(*(f"my.models:Name{index}" for index in range(100))), None, BLOCKING) or ("", "")
    assert "and 90 more" in message
    assert len(message) < 1200


@pytest.mark.parametrize("severity", ["dangerous", "failed"])
def test_trust_allows_nothing_dangerous_or_unreadable(severity: Severity) -> None:
    assert refusal(scanned(severity), None, ProjectPolicy(trust=("os:system",))) is not None


@pytest.mark.parametrize("severity", ["dangerous", "failed"])
def test_a_dangerous_or_unreadable_model_is_refused_with_advice(severity: Severity) -> None:
    code, message = refusal(scanned(severity), None, BLOCKING) or ("", "")
    assert code == UNSAFE_MODEL
    assert "model.pkl" in message
    assert "klever projects policy set library --scan warn" in message


def test_an_earlier_digest_is_judged_by_its_own_verdict() -> None:
    assert refusal(scanned("dangerous"), digest(6), BLOCKING) is None
    assert (refusal(past("dangerous"), digest(6), BLOCKING) or ("", ""))[0] == UNSAFE_MODEL
    assert (refusal(past(None), digest(6), BLOCKING) or ("", ""))[0] == NOT_SCANNED


def test_a_version_that_was_not_scanned_is_refused() -> None:
    document = scanned(None)
    status = document.status.model_copy(update={"scan": None})
    unscanned = document.model_copy(update={"status": status})
    assert (refusal(unscanned, None, BLOCKING) or ("", ""))[0] == NOT_SCANNED
    assert not is_scanned(unscanned)
    parsed = status.model_copy(update={"extraction": ExtractionPhase.SUCCEEDED})
    assert not is_scanned(document.model_copy(update={"status": parsed}))
    failed = status.model_copy(update={"extraction": ExtractionPhase.FAILED})
    assert is_scanned(document.model_copy(update={"status": failed}))
